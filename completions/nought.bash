# bash completion for nought. Put it into ~/.local/share/bash-completion/completions/nought
_nought() {
  local line words=() cur=${COMP_WORDS[COMP_CWORD]} typed=("${COMP_WORDS[@]:1:COMP_CWORD}")
  # bash splits at = and : what nought takes as one word.
  if declare -F _comp_initialize >/dev/null; then
    local cword prev comp_args was_split
    _comp_initialize -n =: -- "$@" || return
    typed=("${words[@]:1:cword}")
    words=()
  elif declare -F _init_completion >/dev/null; then
    local cword prev split
    _init_completion -n =: || return
    typed=("${words[@]:1:cword}")
    words=()
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files) compopt -o default; return ;;
      :folders) compopt -o dirnames; return ;;
      *) COMPREPLY+=("${line%%$'\t'*}") ;;
    esac
  done < <("${COMP_WORDS[0]}" __complete "${typed[@]}" 2>/dev/null)
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
}
complete -F _nought nought
