"""What leaves a project, or comes from another one: reports, objects, tables, bundles."""
