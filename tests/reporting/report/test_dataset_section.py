"""A data set's section has the notes of its table."""


def test_a_section_has_the_notes_of_its_table(demo_html):
    section = demo_html.split('id="demo-digits"')[1].split("<h3")[0]
    assert "bootstrap over 3 runs" in section
    assert "95 % interval" in section
