from benchmarks.reporting.architecture import table3


def test_table3_has_the_multiply_adds_and_parameters_counted_by_hand():
    frame = table3()
    totals = {(row[0], row[1]): row[2:] for row in frame.itertuples(index=False) if "total" in row[2]}
    multiply_adds = {"MNIST": 13_066_240, "CIFAR-10": 17_629_184, "CelebA": 70_320_128}
    for label, count in multiply_adds.items():
        assert totals[label, "encoder"][-1] == totals[label, "decoder"][-1] == count
    assert totals["CIFAR-10", "flow"] == ("total, 4.22% of encoder and decoder", "", 725_504, 720_896)
