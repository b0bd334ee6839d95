"""`ctl completion bash|zsh|fish`: the script a shell sources, and the words it then asks for."""

from typing import Annotated, Final

import typer

from controller.cli.context import Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.errors import UsageError

app = typer.Typer()

SCRIPTS: Final = {
    "bash": """\
# In ~/.bashrc: eval "$(ctl completion bash)"
_ctl_complete() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen -W "$(ctl completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _ctl_complete ctl
""",
    "zsh": """\
# In ~/.zshrc, after compinit: eval "$(ctl completion zsh)"
_ctl_complete() {
    local -a words_
    words_=(${(f)"$(ctl completion words -- ${words[2,CURRENT]} 2>/dev/null)"})
    compadd -a words_ || _files
}
compdef _ctl_complete ctl
""",
    "fish": """\
# ctl completion fish > ~/.config/fish/completions/ctl.fish
complete -c ctl -a '(ctl completion words -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
""",
}


@command(app, "completion")
def completion(
    ctl: Invocation,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="Your shell.")],
    typed: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
) -> int:
    """Print a completion script: verbs, flags, and the names of servers, targets, tasks and repos."""
    if shell == "words":
        from controller.cli.candidates import candidates

        ctl.print("\n".join(candidates(typed or [""], ctl.directory)))
        return ExitCode.DONE
    if shell not in SCRIPTS:
        raise UsageError(f'no completion for "{shell}"', hint=f"one of {', '.join(SCRIPTS)}")
    ctl.print(SCRIPTS[shell])
    return ExitCode.DONE
