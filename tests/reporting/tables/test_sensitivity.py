from pandas import DataFrame
from table_cases import PROTOCOL_ID, evaluation_row, note, variants_grid

from benchmarks.reporting.formats.latex import to_latex
from benchmarks.reporting.tables.sensitivity import sensitivity_table


def test_variants_stand_below_the_protocol_of_the_tables():
    rows = [evaluation_row("g0", 10.0), evaluation_row("g1", 20.0), evaluation_row("g0", 5.0, protocol_id="jpeg"),
            evaluation_row("g1", 15.0, protocol_id="jpeg"), evaluation_row("g0", 11.0, protocol_id="train"),
            evaluation_row("g0", 0.5, source="floor"), evaluation_row("g1", 0.5, source="floor"),
            evaluation_row("g0", 0.75, source="floor", protocol_id="jpeg")]  # fmt: skip
    table = sensitivity_table(DataFrame(rows), variants_grid())
    assert table.frame().to_csv(lineterminator="\n") == (
        "protocol,GLF,training images\n"
        "unchanged,15.0 ± 7.1,0.50\n"
        "training split,11.0 (+10 %) (1/2),—\n"
        "JPEG,10.0 ± 7.1 (−38 %),0.75 (+50 %)\n"  # the mean of −50 % and −25 %, run by run
        "cropped,—,—\n"
    )
    assert r"10.0 $\pm$ 7.1 ($-$38 \%)" in to_latex(table)
    assert r"    Protocol & GLF & training images \\" in to_latex(table).splitlines()
    tidy = table.tidy().set_index(["variant", "source"])
    assert tidy.loc[("jpeg75", "prior"), "protocol_id"] == "jpeg"
    assert tidy.loc[("jpeg75", "prior"), "mean"] == 10.0


def test_without_a_base_there_is_no_percentage():
    rows = [evaluation_row("g0", 1.0, protocol_id="train"), evaluation_row("g0", 2.0, protocol_id="jpeg")]
    table = sensitivity_table(DataFrame(rows), variants_grid())
    assert [*table.frame()["GLF"]] == ["—", "1.0 (1/2)", "2.0 (1/2)", "—"]
    assert note(table, "Metric protocol") == f"MNIST: {PROTOCOL_ID} (unchanged). train (training split). jpeg (JPEG)."


def test_a_base_of_zero_has_no_percentage():
    rows = [evaluation_row("g0", 0.0), evaluation_row("g0", 1.0, protocol_id="jpeg")]
    assert sensitivity_table(DataFrame(rows), variants_grid()).frame().loc["JPEG", "GLF"] == "1.0 (1/2)"
