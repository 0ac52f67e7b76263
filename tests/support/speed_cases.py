"""Cases and records of speed measurements."""


def row(loop, number, seconds, steps=4, stage="train", **more):
    return {"round": number, "loop": loop, "stage": stage, "steps": steps, "seconds": seconds, "cpu": seconds,
            "memory": [2e9], "foreign": 0.0, "how": "eager" if loop == "ours" else "", **more}  # fmt: skip


def record(**more):
    """GLF on 1,000 images in batches of 100: an epoch is ten steps; a step is 2 GFLOP."""
    rows = [
        row("ours", 0, [0.4, 0.8]), row("plain", 0, [1.2, 1.2]), row("ceiling", 0, [1.0, 1.0], steps=40),
        row("ours", 1, [0.4, 0.4]), row("plain", 1, [1.2, 0.4], steps=2), row("ceiling", 1, [1.0, 1.0], steps=50),
        row("ours", 2, [0.8, 0.8]), row("plain", 2, [1.6, 1.6]), row("ceiling", 2, [1.0, 1.0], steps=40),
    ]  # fmt: skip
    return {
        "what": "speed", "schema": 1, "purpose": "table", "model": "glf", "label": "GLF", "dataset": "mnist",
        "shape": [1, 28, 28], "synthetic": False, "images": 1000, "images_used": 400, "batch": {"train": 100},
        "flops": {"train": 2e9}, "precision": "fp32", "engine": "auto", "channels_last": False, "processes": 2,
        "loader_workers": 0, "warm": 2, "exclusive": True, "foreign": 0.0, "rows": rows,
        "provenance": {"device": "cpu: Abacus"}, **more,
    }  # fmt: skip
