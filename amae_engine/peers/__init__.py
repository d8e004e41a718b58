"""The methods that the paper compares with (its Table 2), under one contract."""
