"""The file formats of a table: their content, the escaping of any text, and compilation by LaTeX."""

import itertools
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame
from table_cases import (
    EVALUATION_COLUMNS,
    PAPER_TABLES,
    SMALL,
    SMALL_GRID,
    large_table,
    make_grid,
    paper_csv,
    paper_table,
    table_of_paper_size,
    variants_grid,
)

from benchmarks.experiments import records
from benchmarks.presets import PRESETS
from benchmarks.reporting.formats.html import to_html, to_standalone_html
from benchmarks.reporting.formats.latex import escape_latex, to_latex, to_standalone_latex
from benchmarks.reporting.formats.markdown import to_markdown, to_terminal
from benchmarks.reporting.formats.writer import RENDERERS, TIDY_SUFFIX, selection_name, write_table
from benchmarks.reporting.registry import FORMATS, TABLES
from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.quality import table1
from benchmarks.reporting.tables.timing import REQUIRED_COLUMNS

# --- a small table in every format


def test_small_table_as_csv(tmp_path):
    paths = write_table(table1(SMALL, SMALL_GRID), tmp_path)
    assert [path.name for path in paths] == [
        *("table1.csv", "table1-tidy.csv", "table1.tex", "table1-alone.tex", "table1.md", "table1.html")
    ]
    assert paths[0].read_bytes().decode() == (
        'model,MNIST\nGLF,12.5 ± 0.5\n"VAE, β = 1",21.0 ± 1.4 (2/3) [1 diverged]\n'
    )
    assert paths[1].read_bytes().decode() == (
        "model,dataset,source,protocol_id,metric,preset,mean,std,std_sample_sets,runs,sample_sets,runs_wanted,"
        "runs_diverged,runs_failed,recon_sse,latent_std,paper_mean,paper_std,paper_cited,ci_low,ci_high,delta,"
        "delta_ci_low,delta_ci_high,margin,p_value,verdict,verdict_reason\n"
        # ± t(0.975, 2) 0.5 / sqrt(3) and ± t(0.975, 1) sqrt(2) / sqrt(2)
        "glf,mnist,prior,0123456789abcdef,fd_classifier,demo,12.5,0.5,,3,1,3,0,0,4.5,,,,False,"  # one has a latent_std
        "11.257931,13.742069,,,,,,,another metric than the paper's\n"
        "vae,mnist,prior,0123456789abcdef,fd_classifier,demo,21.0,1.4142135623730951,,2,1,3,1,0,,,,,False,"
        "8.2937953,33.706205,,,,,,,another metric than the paper's\n"
    )
    assert set((tmp_path / "tables").iterdir()) == {*paths}


def test_small_table_as_latex():
    assert to_latex(table1(SMALL, SMALL_GRID)) == (
        r"""% needs \usepackage{booktabs} \usepackage{threeparttable}
\begin{table}
  \centering
  \begin{threeparttable}
  \caption{Fréchet distance on classifier features (fd\_classifier, not FID) of samples, lower is better: """
        r"""mean $\pm$ standard deviation over 3 runs. Preset demo, a shorter budget than the paper's.}
  \label{tab:table1}
  \smallskip
  \small
  \begin{tabular*}{0.75\linewidth}{@{\extracolsep{\fill}}lr}
    \toprule
    Model & MNIST \\
    \midrule
    GLF & 12.5 $\pm$ 0.5 \\
    VAE, $\beta$ = 1 & 21.0 $\pm$ 1.4 (2/3) [1 diverged] \\
    \bottomrule
  \end{tabular*}
  \begin{tablenotes}[flushleft]\footnotesize
    \item \textit{Data:} MNIST: 100 \% of n\_real = 100 images.
    \item \textit{Budget:} At most 500 steps in each stage. Schedules shrink in proportion.
    \item \textit{Statistics:} $\pm$ is the standard deviation over runs.
    \item \textit{Missing:} (m/n): m of n runs are done. [n diverged]: n runs ended with a number that is not finite.
  \end{tablenotes}
  \end{threeparttable}
\end{table}
"""
    )


def test_small_table_as_markdown():
    assert to_markdown(table1(SMALL, SMALL_GRID)) == (
        "Fréchet distance on classifier features (fd_classifier, not FID) of samples, lower is better: mean ± standard "
        "deviation over 3 runs. Preset demo, a shorter budget than the paper's.\n"
        "\n"
        "| Model | MNIST |\n"
        "| --- | ---: |\n"
        "| GLF | 12.5 ± 0.5 |\n"
        "| VAE, β = 1 | 21.0 ± 1.4 (2/3) [1 diverged] |\n"
        "\n"
        "- Data: MNIST: 100 % of n_real = 100 images.\n"
        "- Budget: At most 500 steps in each stage. Schedules shrink in proportion.\n"
        "- Statistics: ± is the standard deviation over runs.\n"
        "- Missing: (m/n): m of n runs are done. [n diverged]: n runs ended with a number that is not finite.\n"
    )


def test_the_terminal_has_the_table_first_and_the_notes_last():
    table = table1(SMALL, SMALL_GRID)
    lines = to_terminal(table).splitlines()
    assert lines[0] == "| Model | MNIST |"
    assert sorted(lines) == sorted(to_markdown(table).splitlines())
    assert lines[-1].startswith("- Missing: ")


@pytest.mark.parametrize("suffix", [".tex", "-alone.tex", ".md", ".html"])
def test_notes_can_be_short_or_left_out(suffix):
    table = table1(SMALL, replace(SMALL_GRID, own_settings={("glf", "mnist"): "ours: lr 1"}))
    full, short, none = (RENDERERS[suffix](table, detail) for detail in ("full", "short", "none"))
    assert "GLF: lr 1." in full
    assert "GLF: lr 1." not in short
    assert "1 of the 2 models on MNIST" in short
    assert "Statistics" not in none
    assert len(none) < len(short) < len(full) + 50


def test_latex_notes_are_short_by_default(tmp_path):
    table = table1(SMALL, replace(SMALL_GRID, own_settings={("glf", "mnist"): "ours: lr 1"}))
    write_table(table, tmp_path)
    assert "GLF: lr 1." not in (tmp_path / "tables" / "table1.tex").read_text()
    assert "GLF: lr 1." in (tmp_path / "tables" / "table1.md").read_text()
    write_table(table, tmp_path, notes="full")
    assert "GLF: lr 1." in (tmp_path / "tables" / "table1.tex").read_text()


# --- the names of files


def test_writing_a_table_keeps_the_tables_of_other_selections(tmp_path):
    for grid in (SMALL_GRID, replace(SMALL_GRID, preset="quick")):
        write_table(table1(SMALL, grid), tmp_path, selection=selection_name("table1", grid))
    names = {path.name for path in (tmp_path / "tables").glob("*.md")}
    assert names == {"table1.md", "table1--demo-mnist-fd_classifier-glf+vae-3x1.md",
                     "table1--quick-mnist-fd_classifier-glf+vae-3x1.md"}  # fmt: skip
    last = (tmp_path / "tables" / "table1.md").read_text()
    assert last == (tmp_path / "tables" / "table1--quick-mnist-fd_classifier-glf+vae-3x1.md").read_text()


def test_writing_a_table_removes_all_formats_of_the_older_one(tmp_path):
    write_table(table1(SMALL, SMALL_GRID), tmp_path)
    paths = write_table(table1(SMALL, SMALL_GRID), tmp_path, ["markdown"])
    assert {*(tmp_path / "tables").iterdir()} == {*paths}
    assert [path.name for path in paths] == ["table1-tidy.csv", "table1.md"]


def test_a_file_name_lists_models_only_if_they_differ_from_the_presets():
    models = dict.fromkeys(PRESETS["demo"].models, "")
    grid = replace(SMALL_GRID, models=models, keys={(model, "mnist"): ("a",) for model in models}, draws=2)
    assert selection_name("table1", grid) == "demo-mnist-fd_classifier-1x2"
    assert selection_name("table1", replace(grid, models={"glf": ""})) == "demo-mnist-fd_classifier-glf-1x2"


def test_a_file_name_has_changed_settings_and_listed_seeds():
    names = {
        selection_name("table1", replace(SMALL_GRID, models={model: ""}, seeds=seeds))
        for model in ("glf", "glf[beta=4]", "glf[beta=40]", "glf[lr=0.002]")
        for seeds in ((), (3, 4, 7), (3, 4, 8))
    }
    assert len(names) == 12
    assert "demo-mnist-fd_classifier-glf_beta_4-seed3+4+7-3x1" in names
    assert selection_name("table1", replace(SMALL_GRID, seeds=(0, 1, 2))) == selection_name("table1", SMALL_GRID)


@given(st.dictionaries(st.text(max_size=40), st.just(""), max_size=9), st.text(max_size=9))
def test_every_selection_gives_a_valid_file_name(models, dataset):
    name = selection_name("table1", replace(SMALL_GRID, models=models, datasets={dataset: ""}))
    assert re.fullmatch(r"[\w.+-]+", name)
    assert not name.startswith(".")


def test_the_standalone_document_holds_the_fragment():
    table = table1(SMALL, SMALL_GRID)
    document = to_standalone_latex(table)
    assert to_latex(table) in document
    assert document.startswith(r"\documentclass")
    assert document.endswith("\\end{document}\n")
    assert r"\input" not in document
    assert {*re.findall(r"\\usepackage\{(\w+)\}", document)} <= {"booktabs", "siunitx", "multirow", "threeparttable"}


def test_a_table_written_twice_has_the_same_bytes(tmp_path):
    written = [[path.read_bytes() for path in write_table(table1(SMALL, SMALL_GRID), tmp_path / name)] for name in "ab"]
    assert written[0] == written[1]
    for one, other in itertools.combinations(written[0], 2):
        assert one != other


def test_every_format_has_renderers():
    assert [*RENDERERS] == [".csv", TIDY_SUFFIX, *(s for name, own in FORMATS.items() if name != "csv" for s in own)]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_without_records_can_be_written_in_all_formats(name, tmp_path):
    evaluations, epochs = records.read(tmp_path)
    assert "no runs" in table1(evaluations, make_grid({}, draws=2)).caption
    frames = {"evaluations": evaluations, "epochs": epochs, "speed": DataFrame(columns=[*REQUIRED_COLUMNS])}
    table = build_table(name, frames, variants_grid())
    ours = [text.value for row in table.rows for column in table.columns
            for subcolumn, text in table.cells[row, column].render(1).items() if subcolumn != "paper"]  # fmt: skip
    assert {*ours} == {"—"}
    assert len(write_table(table, tmp_path)) == 6


@pytest.mark.parametrize("name", PAPER_TABLES)
def test_a_table_has_the_requested_decimals(name):
    numbers = re.findall(r"\d+\.(\d+)", paper_table(name, decimals=2).frame().iloc[:, 0].str.cat())
    assert {len(digits) for digits in numbers} <= {2}
    decimals = {len(digits) for digits in re.findall(r"\d\.(\d+)", paper_csv("table6", decimals=4))}
    assert decimals == {3, 4}  # 3: the paper's


# --- any text


ESCAPE_COMMAND = r"\\text(?:backslash|asciicircum|asciitilde)\{\}|\\texttt\{U\+[0-9A-F]{4,6}\}|\\dots\{\}|\{\}"
ESCAPED = re.compile(rf"\\[{{}}$&#%_]|{ESCAPE_COMMAND}|\$(?:\\[A-Za-z]+|\^\d|[<>|-])\$")
SPECIAL = st.text("\\{}$&#%_^~<>|\"'`-[]*±²³×—–βλγΩ−…\n\tÄéあ\u00ad\u0301 aZ0", max_size=30)


@given(SPECIAL | st.text(max_size=20))
def test_latex_has_no_unescaped_special_character(plain):
    rest = ESCAPED.sub("", escape_latex(plain))
    assert not set(rest) & set('\\{}$&#%_^~<>|"\n')
    # pdflatex has the other characters in its standard fonts
    assert all(character.isascii() or "À" <= character <= "ÿ" for character in rest)


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ("50% of n_real", r"50\% of n\_real"),
        ("8 × 8, σ² ≤ 1 ± 0", r"8 $\times$ 8, $\sigma$$^2$ $\leq$ 1 $\pm$ 0"),
        ("β, λ, γ, Γ, Λ", r"$\beta$, $\lambda$, $\gamma$, $\Gamma$, $\Lambda$"),
        ("a — b – c", "a --- b -- c"),
        ("--like mnist", "-{}-like mnist"),
        ("C:\\x~^{}", r"C:\textbackslash{}x\textasciitilde{}\textasciicircum{}\{\}"),
        ("“a” & #1 $", r"``a'' \& \#1 \$"),
        ("two\n\nparagraphs", "two paragraphs"),
        ("[x]", "[x]"),
        ("Fréchet 画", r"Fréchet \texttt{U+753B}"),
    ],
)
def test_latex_escapes_special_characters(plain, escaped):
    assert escape_latex(plain) == escaped


def test_every_format_escapes_a_hostile_label():
    label = 'a|b_c & *50%* \\ <b> "q"\n[x](y)'
    grid = make_grid({}, models={"glf": label}, datasets={"mnist": label}, data_warnings={"mnist": (label,)})
    table = table1(DataFrame(columns=EVALUATION_COLUMNS), grid)
    body = to_markdown(table).splitlines()
    assert len(body) == 9
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in body[2:5]] == [3, 3, 3]
    rows = [line for line in to_latex(table).splitlines() if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in rows] == [1, 1]


@pytest.mark.parametrize("label", ["[x]", "*", " [x"])
def test_a_row_never_begins_with_an_argument(label):
    table = table1(DataFrame(columns=EVALUATION_COLUMNS), make_grid({}, models={"glf": label}))
    assert rf"    {{}}{label.strip()} & --- \\" in to_latex(table).splitlines()


@settings(deadline=None, max_examples=50)
@given(st.text("\\{}$&#%_^~<>|\"'`-[]*±²×—βλ…\n\tÄéあ aZ0", max_size=20))
def test_names_with_special_characters_keep_the_columns_in_latex(name):
    text = to_latex(paper_table("table1", models={"glf": name}, datasets={"mnist": name, "celeba": name}))
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()[1:]
    rows = [line for line in body if line.strip()]
    assert all(len(re.findall(r"(?<!\\)&", row)) == 3 for row in rows)
    assert all(row.endswith(r" \\") for row in rows)
    assert text.count(r"\begin{") == text.count(r"\end{") == 4


class CellParser(HTMLParser):
    """What a browser would show: the text of each cell, and every tag with its attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "colgroup"):
            self.open.append(tag)
        if tag in ("td", "th"):
            self.texts.append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if {"td", "th"} & {*self.open}:
            self.texts[-1] += data


def parse_html(text):
    parser = CellParser()
    parser.feed(text)
    parser.close()
    return parser


def test_html_of_table1():
    html = to_html(paper_table("table1"))
    parsed = parse_html(html)
    assert parsed.texts == [
        "Model", "MNIST", "CelebA", "ours", "paper", "ours", "paper",
        "Two-Stage VAE", "13.0 ± 0.1 >", "10.9 ± 0.7", "65.2 ± 5.2 ?", "65.2 ± 0.8",
        "GLF", "8.2 ± 0.1 ≈", "8.2 ± 0.1", "50.5 ± 0.7 (2/3) [1 diverged] ?", "53.2 ± 0.2",
        "GLANN with perceptual loss", "—", "8.6 ± 0.1 (cited)", "—", "46.3 ± 0.1 (cited)",
    ]  # fmt: skip
    assert [tag for tag, _ in parsed.tags].count("figcaption") == 1
    scopes = [attributes["scope"] for tag, attributes in parsed.tags if tag == "th"]
    assert scopes == ["col", *["colgroup"] * 2, *["col"] * 4, *["row"] * 3]
    assert "<strong>8.2 ± 0.1</strong> ≈" in html
    assert not re.search(r"https?:|src=|<script", to_standalone_html(paper_table("table1")))


@settings(deadline=None, max_examples=50)
@given(st.text("<>&\"'`/=abcé±\n\u2028\x00", min_size=1, max_size=20))
def test_names_in_html_are_escaped(name):
    harmless = to_html(
        paper_table("table1", models={"glf": "x"}, datasets={"mnist": "y"}, data_warnings={"mnist": ("z",)})
    )
    hostile = to_html(
        paper_table("table1", models={"glf": name}, datasets={"mnist": name}, data_warnings={"mnist": (name,)})
    )
    assert parse_html(hostile).tags == parse_html(harmless).tags
    assert len(parse_html(hostile).texts) == len(parse_html(harmless).texts)


# --- what LaTeX says

NEEDS_PDFLATEX = pytest.mark.skipif(
    shutil.which("kpsewhich") is None
    or not subprocess.run(["kpsewhich", "threeparttable.sty"], capture_output=True).stdout,
    reason="no pdflatex with threeparttable (Debian: texlive-latex-recommended, texlive-latex-extra)",
)


def run_pdflatex(folder, document):
    """The log of pdflatex for a document that it must be able to set."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", document]
    completed = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = completed.stdout.decode(errors="replace")
    assert completed.returncode == 0, log[-3000:]
    assert (folder / f"{document}.pdf").stat().st_size > 1000
    return log


@pytest.mark.slow
@NEEDS_PDFLATEX
@pytest.mark.parametrize("make_table", [paper_table, large_table])
@pytest.mark.parametrize("name", TABLES)
def test_pdflatex_compiles_every_table(name, make_table, tmp_path):
    write_table(make_table(name), tmp_path, ["latex"])
    run_pdflatex(tmp_path / "tables", f"{name}-alone")


@pytest.mark.slow
@NEEDS_PDFLATEX
@pytest.mark.parametrize("name", PAPER_TABLES)
def test_the_papers_tables_are_no_wider_than_the_page(name, tmp_path):
    write_table(table_of_paper_size(name), tmp_path, ["latex"])
    assert "Overfull" not in run_pdflatex(tmp_path / "tables", f"{name}-alone")


@pytest.mark.slow
@NEEDS_PDFLATEX
def test_the_fragments_compile_in_a_users_document(tmp_path):
    """With the packages that their first lines name, and no others."""
    packages = set()
    for name in TABLES:
        write_table(paper_table(name), tmp_path, ["latex"])
        first = (tmp_path / "tables" / f"{name}.tex").read_text().splitlines()[0]
        assert first.startswith("% needs ")
        packages |= {*re.findall(r"\\usepackage\{(\w+)\}", first)}
    assert packages <= {"booktabs", "siunitx", "multirow", "threeparttable"}
    lines = [r"\documentclass{article}", *(rf"\usepackage{{{package}}}" for package in packages), r"\begin{document}",
             *(rf"\input{{{name}}}" for name in TABLES), r"\end{document}"]  # fmt: skip
    (tmp_path / "tables" / "own.tex").write_text("\n".join(lines))
    run_pdflatex(tmp_path / "tables", "own")
