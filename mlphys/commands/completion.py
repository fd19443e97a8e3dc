"""Completion by the shell: the scripts that call `mlphys` at a tab, and the files from which shells read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlphys.errors import UserError
from mlphys.io import text_block
from mlphys.schema.suggestions import require_known

BEGIN, END = "# >>> mlphys completion >>>", "# <<< mlphys completion <<<"

# bash divides words at = and :, and replaces the last part only; click's fish protocol takes the line as it is written
BASH = r"""_mlphys_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" token part prefix completion value
    token="${line##*[[:space:]]}"
    part="${COMP_WORDS[COMP_CWORD]}"
    [[ $part == [=:] ]] && part=
    prefix="${token%"$part"}"
    while IFS= read -r completion; do
        [[ $completion == @(file|dir),* ]] && { compopt -o default 2>/dev/null; continue; }
        value="${completion#*,}"
        value="${value%%$'\t'*}"
        [[ $value == *[/=.] ]] && compopt -o nospace 2>/dev/null
        COMPREPLY+=("${value#"$prefix"}")
    done < <(env COMP_WORDS="$line" COMP_CWORD="$token" _MLPHYS_COMPLETE=fish_complete "$1" 2>/dev/null)
}
complete -o nosort -F _mlphys_completion mlphys 2>/dev/null || complete -F _mlphys_completion mlphys
"""
ZSH = r"""_mlphys_completion() {
    local type key description
    local -a whole begun
    for type key description in "${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) \
        _MLPHYS_COMPLETE=zsh_complete mlphys 2>/dev/null)}"; do
        [[ $type == (file|dir) ]] && { _path_files -f; continue }
        key="${key//\\:/:}"
        if [[ $key == *[/=.] ]]; then begun+=("$key"); elif [[ -n $key ]]; then whole+=("$key"); fi
    done
    (( $#begun )) && compadd -U -S '' -a begun
    (( $#whole )) && compadd -U -a whole
    return 0
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
compdef _mlphys_completion mlphys
"""
FISH = r"""function _mlphys_completion
    for completion in (env _MLPHYS_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) \
            mlphys 2>/dev/null)
        switch $completion
            case 'file,*' 'dir,*'
                __fish_complete_path (commandline -t)
            case '*'
                string split -m 1 -f 2 "," $completion
        end
    end
end
complete --no-files --command mlphys --arguments "(_mlphys_completion)"
"""


@dataclass(frozen=True)
class Shell:
    """A shell, its script, and the file that it reads: its own start-up file, or one for mlphys alone."""

    name: str
    script: str
    file: Path
    ours: bool


@dataclass(frozen=True)
class Change:
    """What was done with a file; `changed` is False where there was nothing to do."""

    shell: Shell
    changed: bool


def shells(environment: Mapping[str, str]) -> dict[str, Shell]:
    """All shells by name. Raises UserError where nobody knows the home folder."""
    try:
        home = Path.home()
    except RuntimeError:
        raise UserError("completion: there is no home folder; set HOME") from None
    zsh = Path(environment.get("ZDOTDIR") or home)
    fish = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "fish" / "completions" / "mlphys.fish"
    all_shells = [
        Shell("bash", BASH, home / ".bashrc", False),
        Shell("zsh", ZSH, zsh / ".zshrc", False),
        Shell("fish", FISH, fish, True),
    ]
    return {shell.name: shell for shell in all_shells}


def chosen(name: str | None, environment: Mapping[str, str]) -> Shell:
    """The shell called `name`, or the one of the environment. Raises UserError for others."""
    known = shells(environment)
    if name is None:
        name = os.path.basename(environment.get("SHELL", ""))
        if name not in known:
            raise UserError(f"SHELL is {name or 'not set'}; name the shell: {', '.join(known)}")
    require_known("shell", [name], list(known))
    return known[name]


def install(shell: Shell) -> Change:
    """Put the script into the shell's file, in place of an older one. Raises UserError if it cannot be written."""
    if shell.ours:
        return Change(shell, text_block.write(shell.file, shell.script, text_block.read(shell.file)))
    return Change(shell, text_block.put(shell.file, shell.script, BEGIN, END))


def remove(shell: Shell) -> Change:
    """Take the script out of the shell's file, or remove the file that is ours."""
    return Change(shell, text_block.remove(shell.file) if shell.ours else text_block.take(shell.file, BEGIN, END))
