# SPDX-License-Identifier: GPL-3.0-or-later
#
# bash completion of postern(8), which itself says what a word can become (postern complete): commands, options and arguments are those of
# the program that is installed. Who may not read the tables gets no addresses, and never an error.
#
# The words are put together as the shell will read them: readline cuts at @, = and : too, and replaces only what is behind these.

# A key pressed in a strange folder starts nothing that lies there, nor what a link there leads to: a shell by the name of postern would run
# a file `complete` beside it. So a path is run only if what it leads to is a postern of ours in a folder of ours; else that of PATH is.
_postern_program() {
    local file=
    [[ $1 != */* ]] || file=$(realpath -e -- "$1" 2>/dev/null)
    [[ ${file##*/} == postern && -O $file && -O ${file%/*} && ! -k ${file%/*} ]] || file=postern
    printf '%s' "$file"
}

_postern() {
    local program rest=${COMP_LINE:0:COMP_POINT} words=() i word gap quote
    COMPREPLY=()
    program=$(_postern_program "$1")

    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        gap=${rest%%[![:space:]]*}
        rest=${rest#"$gap"}
        ((i < COMP_CWORD)) || word=$rest
        rest=${rest#"$word"}
        if [[ $gap || $i == 0 ]]; then words+=("$word"); else words[-1]+=$word; fi
    done
    quote=${words[-1]::1}
    [[ $quote == [\"\'] ]] || quote=
    for i in "${!words[@]}"; do
        case ${words[i]} in
        [\"\']*) word=${words[i]:1} words[i]=${word%[\"\']} ;;
        '~/'*) words[i]=$HOME/${words[i]:2} ;;
        *) words[i]=${words[i]//\\/} ;;
        esac
    done
    mapfile -t COMPREPLY < <("$program" complete -- "${words[@]:1}" 2>/dev/null)

    if [[ ${COMPREPLY[0]-} == $'\tfiles' ]]; then
        COMPREPLY=()
        compopt -o default
        return
    fi
    # What readline replaces: all behind the last of its marks; and an @, which is one too, goes with what follows.
    local whole=${words[-1]} part=${words[-1]} marks=${COMP_WORDBREAKS//[\"\'[:space:]]}
    if [[ ! $quote && $marks ]]; then
        part=${whole##*[$marks]}
        [[ ${whole%"$part"} != *@ || $marks != *@* ]] || part=@$part
    fi
    for i in "${!COMPREPLY[@]}"; do
        [[ ${COMPREPLY[i]} != *[=@:[] ]] || compopt -o nospace
        word=${COMPREPLY[i]#"${whole%"$part"}"}
        if [[ $quote && $word == *[\"\'\`\$\!\\]* ]]; then
            unset "COMPREPLY[i]"
            continue
        fi
        [[ $quote || ! $word ]] || printf -v word %q "$word"
        COMPREPLY[i]=$word
    done
}
complete -F _postern postern
