"""`homestow completion`: what makes a shell complete our commands and flags."""

import sys

import click

from homestow.cli.asking import Command
from homestow.cli.troubles import Trouble

_INSTALL = {
    "bash": "homestow completion bash > ~/.local/share/bash-completion/completions/homestow",
    "zsh": "homestow completion zsh > ~/.zfunc/_homestow   # with ~/.zfunc in fpath, before compinit",
    "fish": "homestow completion fish > ~/.config/fish/completions/homestow.fish",
}


@click.command(cls=Command, example="\n".join(_INSTALL.values()))
@click.argument("shell", type=click.Choice(list(_INSTALL)))
def completion(shell: str) -> None:
    """Print the completion script for SHELL."""
    from click.shell_completion import ShellComplete, get_completion_class

    from homestow.cli.commands import homestow

    kind: type[ShellComplete] | None = get_completion_class(shell)
    if kind is None:
        raise Trouble(f"there is no completion for {shell}; bash, zsh and fish have one.")
    complete = kind(homestow, {}, "homestow", "_HOMESTOW_COMPLETE")
    # The script itself, without asking the shell for its version: it may be printed on another machine.
    sys.stdout.write(complete.source_template % complete.source_vars())
