import re

import zoo
from benchmarks.reporting.figures.palette import MODEL_COLORS, model_color


def test_each_model_has_a_color_of_its_own():
    assert set(MODEL_COLORS) >= set(zoo.MODELS) - {"glf-perceptual"}, "a model without a color"
    assert len({*MODEL_COLORS.values()}) == len(MODEL_COLORS)
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in MODEL_COLORS.values())
    assert model_color("somebody's") not in MODEL_COLORS.values()


def contrast(a, b):
    def luminance(color):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colors_stand_out_from_a_light_page_and_a_dark_one():
    for model, color in MODEL_COLORS.items():
        assert contrast(color, "#ffffff") > 1.4, model
        assert contrast(color, "#14171a") > 1.9, model
