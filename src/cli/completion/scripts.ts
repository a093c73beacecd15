export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * The script of a shell. All three ask `nought __complete WORD…` what fits, so that they know what the program at hand knows, image names
 * included; the last word is the one being typed. An answer line is `WORD<tab>DESCRIPTION`; a first line `:files` or `:folders` hands
 * over to the shell's own completion of paths.
 */
export function completionScript(shell: Shell): string {
  return { bash: BASH, zsh: ZSH, fish: FISH }[shell];
}

const BASH = `# bash completion for nought. Put it into ~/.local/share/bash-completion/completions/nought
_nought() {
  local line words=() cur=\${COMP_WORDS[COMP_CWORD]} typed=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  # bash splits at = and : what nought takes as one word.
  if declare -F _comp_initialize >/dev/null; then
    local cword prev comp_args was_split
    _comp_initialize -n =: -- "$@" || return
    typed=("\${words[@]:1:cword}")
    words=()
  elif declare -F _init_completion >/dev/null; then
    local cword prev split
    _init_completion -n =: || return
    typed=("\${words[@]:1:cword}")
    words=()
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files) compopt -o default; return ;;
      :folders) compopt -o dirnames; return ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete "\${typed[@]}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
}
complete -F _nought nought
`;

const ZSH = `#compdef nought
# zsh completion for nought. Put it as _nought into a folder of $fpath
_nought() {
  local line
  local -a answers described
  answers=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  case "\${answers[1]}" in
    :files) _files; return ;;
    :folders) _files -/; return ;;
  esac
  for line in "\${answers[@]}"; do
    [[ -n $line ]] && described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -V nought described
}
if [ "$funcstack[1]" = "_nought" ]; then
  _nought "$@"
else
  compdef _nought nought
fi
`;

const FISH = `# fish completion for nought. Put it into ~/.config/fish/completions/nought.fish
function __nought_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l answers ($words[1] __complete $words[2..] 2>/dev/null)
  switch "$answers[1]"
    case ':files'
      __fish_complete_path (commandline -ct)
    case ':folders'
      __fish_complete_directories (commandline -ct)
    case '*'
      printf '%s\\n' $answers
  end
end
complete -c nought -f -a '(__nought_complete)'
`;
