"""Print a script that completes commands and options in a shell.

Add it to the start-up file of the shell:
  bash: echo 'eval "$(imdbclust completion)"' >> ~/.bashrc
  zsh:  echo 'autoload -U bashcompinit && bashcompinit' >> ~/.zshrc
        echo 'eval "$(imdbclust completion)"' >> ~/.zshrc

options:
"""

from imdbclust.commands.common import Call, CommandParser

_SCRIPT = """\
_imdbclust() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words="{commands}"
    if [ "$COMP_CWORD" -gt 1 ]; then
        case "${{COMP_WORDS[1]}}" in
{cases}
            *) words="" ;;
        esac
        case "$word" in
            -*) ;;
            *) COMPREPLY=( $(compgen -f -- "$word") ); return ;;
        esac
    fi
    COMPREPLY=( $(compgen -W "$words" -- "$word") )
}}
complete -o filenames -F _imdbclust imdbclust
"""


def add_options(parser: CommandParser) -> None:
    """Add the options of the command."""
    parser.set_defaults(light=True)


def execute(call: Call) -> None:
    """Print the script."""
    cases = []
    for name, parser in call.commands.items():
        options = " ".join(one for action in parser._actions for one in action.option_strings)
        cases.append(f'            {name}) words="{options}" ;;')
    print(_SCRIPT.format(commands=" ".join(call.commands), cases="\n".join(cases)), end="")
