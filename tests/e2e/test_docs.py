"""The generated parts of the documentation are what the programs say today."""
import subprocess

from conftest import BIN, SOURCE


def test_generated_documentation_is_current():
    result = subprocess.run([SOURCE / "docs" / "update", "--check", BIN], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_option_is_in_help():
    for program in ("heddle-gateway", "heddle-executor", "heddlectl"):
        text = subprocess.run([BIN / program, "--help"], capture_output=True, text=True)
        assert text.returncode == 0 and "usage" in text.stdout.lower()
        assert subprocess.run([BIN / program, "--version"], capture_output=True).returncode == 0
