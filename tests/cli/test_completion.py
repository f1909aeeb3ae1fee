import shutil
import subprocess

import pytest

from fastcheck.cli import main
from fastcheck.cli.commands import COMMANDS


def script(shell, capsys):
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_name_all_commands_and_options(shell, capsys):
    text = script(shell, capsys)
    assert all(command.name in text for command in COMMANDS)
    for option in ("only-wrong", "time-budget", "watch", "junit"):
        assert option in text
    assert "files-read" not in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_can_be_parsed(shell, capsys, tmp_path):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "completion"
    path.write_text(script(shell, capsys), encoding="utf-8")
    subprocess.run([program, "-n", str(path)], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fastcheck", "ch"], ["check"]),
        (["fastcheck", "--v"], ["--version"]),
        (["fastcheck", "check", "--on"], ["--only-wrong"]),
        (["fastcheck", "check", "--method", "pl"], ["plain"]),
        (["fastcheck", "check", ""], []),
        (["fastcheck", "check", "--json", ""], []),
        (["fastcheck", "completion", "z"], ["zsh"]),
        (["fastcheck", "nothing", "-"], []),
    ],
)
def test_what_bash_completes(words, expected, capsys):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"{script('bash', capsys)}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _fastcheck\n"
    run = subprocess.run(
        [bash, "--norc", "-c", code + 'printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    assert run.stdout.split() == expected
