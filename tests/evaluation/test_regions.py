"""Regions of maps: where they are, how large, and how they agree with what was marked."""

import numpy as np
import pytest

from amae_engine.evaluation.regions import (
    MOST_POINTS,
    Outline,
    Shape,
    box_outline,
    mask_outlines,
    measured,
    outlines_mask,
    overlap,
    points_at,
    regions_above,
)


def discs(side: int, *places: tuple[float, float, float, float]) -> np.ndarray:
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    values = np.zeros((side, side), dtype=np.float32)
    for across, down, radius, height in places:
        inside = (x - across) ** 2 + (y - down) ** 2 <= radius**2
        values[inside] = height
    return values


def test_two_discs_are_found_measured_and_drawn_again():
    values = discs(224, (0.3, 0.4, 0.1, 2.0), (0.7, 0.6, 0.15, 3.0))
    found, more = regions_above(values, 1.0)
    assert more == 0
    assert [region.peak for region in found] == [3.0, 2.0]
    for region, radius in zip(found, (0.15, 0.1), strict=True):
        assert region.share == pytest.approx(np.pi * radius**2, rel=0.02)
        drawn = outlines_mask([region.outline], 224, 224)
        assert drawn.mean() == pytest.approx(region.share, rel=0.02)
        share, mean, peak = measured(region.outline, values)
        assert (mean, peak) == pytest.approx((region.mean, region.peak), rel=0.02)
        assert share == pytest.approx(region.share, rel=0.02)
    both = outlines_mask([region.outline for region in found], 224, 224)
    assert overlap(both, values > 0).dice > 0.98
    assert points_at(values, outlines_mask([found[0].outline], 224, 224))
    assert not points_at(values, outlines_mask([found[1].outline], 224, 224))


def test_holes_are_filled_and_the_edge_is_kept():
    values = np.zeros((64, 96), dtype=np.float32)
    values[:20, :30] = 1
    values[5:10, 5:10] = 0
    ((region,), _) = regions_above(values, 0.5)
    assert region.share == pytest.approx(600 / values.size)
    points = np.array(region.outline.points)
    assert (points.min(), points[:, 0].max(), points[:, 1].max()) == pytest.approx(
        (0, 30 / 96, 20 / 64), abs=1e-6
    )


def test_noise_gives_the_highest_and_says_how_many_more():
    values = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    found, more = regions_above(values, 2.2)
    assert len(found) == 50
    assert more > 1000
    assert found[0].peak == values.max()
    assert all(len(region.outline.points) <= MOST_POINTS for region in found)
    assert regions_above(values, 99.0) == ([], 0)
    ragged, _ = regions_above(values, -0.3)  # one region with a contour of thousands of points
    assert len(ragged[0].outline.points) <= MOST_POINTS


def test_a_single_pixel_has_an_outline():
    values = np.zeros((50, 50), dtype=np.float32)
    values[10, 20] = 1
    ((region,), _) = regions_above(values, 0.5)
    assert outlines_mask([region.outline], 50, 50).sum() == 1


def test_ellipse_box_and_their_overlap():
    ellipse = Outline(Shape.ELLIPSE, ((0.2, 0.3), (0.6, 0.7)))
    box = box_outline(0.2, 0.3, 0.4, 0.4)
    one, two = (outlines_mask([each], 400, 300) for each in (ellipse, box))
    assert one.mean() == pytest.approx(np.pi * 0.2 * 0.2, rel=0.01)
    assert two.mean() == pytest.approx(0.16, rel=0.001)
    found = overlap(one, two)
    assert found.iou == pytest.approx(np.pi / 4, rel=0.01)
    assert found.dice == pytest.approx(2 * (np.pi / 4) / (1 + np.pi / 4), rel=0.01)
    nothing = np.zeros_like(one)
    assert np.isnan(overlap(nothing, nothing).dice)
    assert overlap(one, nothing).dice == 0


def test_ten_thousand_outlines_are_one_mask():
    many = [box_outline(x / 100, y / 100, 0.005, 0.005) for x in range(100) for y in range(100)]
    mask = outlines_mask(many, 1000, 1000)
    assert mask.mean() == pytest.approx(0.25, rel=0.5)  # half a pixel either way
    assert measured(box_outline(0.5, 0.5, 1e-6, 1e-6), np.zeros((64, 64), np.float32))[0] == 0


def test_a_mask_becomes_outlines_and_back():
    mask = discs(300, (0.25, 0.25, 0.1, 1), (0.7, 0.7, 0.2, 1)) > 0
    outlines = mask_outlines(mask)
    assert len(outlines) == 2
    assert overlap(outlines_mask(outlines, 300, 300), mask).dice > 0.99


def test_moving_stays_inside():
    moved = box_outline(0.5, 0.5, 0.4, 0.4).moved(0.5, -9)
    assert np.array(moved.points).max() == pytest.approx(1)
    assert np.array(moved.points).min() == pytest.approx(0)
