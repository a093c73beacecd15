# fish completion for nought. Put it into ~/.config/fish/completions/nought.fish
function __nought_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l answers ($words[1] __complete $words[2..] 2>/dev/null)
  switch "$answers[1]"
    case ':files'
      __fish_complete_path (commandline -ct)
    case ':folders'
      __fish_complete_directories (commandline -ct)
    case '*'
      printf '%s\n' $answers
  end
end
complete -c nought -f -a '(__nought_complete)'
