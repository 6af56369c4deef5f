//! Templates in a shell's script. A value comes from outside: an object's name, a webhook's body, what a task gave.
//! So it is handed over in a variable, and the script has `${...}` in its place, which no shell reads as commands.
//!
//! For that the script is read as far as quotes go: inside of single quotes the variable stands between them, and
//! in a here-document that expands nothing the value itself has to stand.

use super::template::{Piece, Values, known, pieces};
use std::{collections::VecDeque, path::Path};

/// A longer value would not fit into a variable of the environment, where 128 KiB are the most.
pub const MOST: usize = 96 << 10;
/// A plain value up to this stands in the script as it is, where it can be read.
const SHORT: usize = 256;

pub struct Script {
    pub text: String,
    /// Name and value of each variable it reads, in order.
    pub variables: Vec<(String, String)>,
}

impl Script {
    /// The text, and the variables it finds in its environment. A value that fits into none is in a file of the
    /// attempt's folder, from which the text takes it first.
    pub fn written(self, folder: &Path) -> std::io::Result<(String, Vec<(String, String)>)> {
        let (long, short): (Vec<_>, _) =
            self.variables.into_iter().partition(|(_, value)| value.len() > MOST);
        let mut text = String::new();
        for (name, value) in &long {
            let file = folder.join(name);
            fs_err::create_dir_all(folder)?;
            fs_err::write(&file, value)?;
            // The shell drops line ends at the end of what it takes; so the last sign is one of ours.
            let file = quoted(&file.to_string_lossy());
            text.push_str(&format!("{name}=$(cat {file} && echo .) && {name}=${{{name}%.}}; "));
        }
        Ok((text + &self.text, short))
    }
}

/// The script with its templates filled in; the error names the one that cannot be.
pub fn script(text: &str, values: &Values) -> Result<Script, String> {
    let (mut shell, mut made) = (Shell::default(), String::with_capacity(text.len()));
    let mut named: Vec<(&str, String)> = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => {
                text.chars().for_each(|c| shell.take(c));
                made.push_str(text);
            }
            Piece::Name(name) => {
                let value = known(name, values)?;
                if is_plain(&value) {
                    made.push_str(&value);
                } else if let Some(end) = shell.fixed_end() {
                    made.push_str(fixed(name, &value, end)?);
                } else {
                    let at = named.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                        named.push((name, value));
                        named.len() - 1
                    });
                    let variable = format!("${{{}}}", variable(at));
                    let in_quotes = matches!(shell.mode(), Mode::Single);
                    made.push_str(&if in_quotes { format!("'\"{variable}\"'") } else { variable });
                }
            }
        }
    }
    let variables = named.into_iter().enumerate().map(|(at, (_, value))| (variable(at), value)).collect();
    Ok(Script { text: made, variables })
}

fn variable(at: usize) -> String {
    format!("CRANNOG_VALUE_{}", at + 1)
}

/// What every shell takes for itself, wherever it stands.
fn is_plain(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+:,./=-".contains(c);
    value.len() <= SHORT && value.chars().all(plain)
}

/// A value where only its text can stand: it must not end what it stands in.
fn fixed<'a>(name: &str, value: &'a str, end: &str) -> Result<&'a str, String> {
    let ends = value.lines().any(|line| line.trim_start_matches('\t') == end);
    if ends || value.len() > MOST {
        let why = if ends { format!("has a line {end}, which ends") } else { "is too long for".to_owned() };
        return Err(format!(
            "the value of {{{{ {name} }}}} {why} the here-document it stands in; write <<{end} without quotes, or give \
             the value in `env`"
        ));
    }
    Ok(value)
}

/// A word of the shell, whatever it holds.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What a shell is reading.
#[derive(Debug, PartialEq, Eq)]
enum Mode {
    Single,
    Double,
    Comment,
    /// Between parentheses, those of `$(...)` too.
    Parens,
    Ticks,
    /// The word behind `<<`, as it is written.
    Word(String),
    /// A here-document, and the line of it that is being read.
    Document(Document, String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Document {
    end: String,
    /// Its end was given in quotes: nothing in it is expanded.
    is_fixed: bool,
    /// Tabs before its lines do not count.
    is_indented: bool,
}

/// How far a script was read. On the ground, where no mode is, commands stand.
#[derive(Default)]
struct Shell {
    modes: Vec<Mode>,
    before: Option<char>,
    is_escaped: bool,
    documents: VecDeque<Document>,
}

const GROUND: Mode = Mode::Parens;

impl Shell {
    fn mode(&self) -> &Mode {
        self.modes.last().unwrap_or(&GROUND)
    }

    /// The line that would end the place where a value stands as it is.
    fn fixed_end(&self) -> Option<&str> {
        match self.mode() {
            Mode::Document(document, _) if document.is_fixed => Some(&document.end),
            _ => None,
        }
    }

    fn take(&mut self, c: char) {
        let before = self.before.replace(c);
        if std::mem::take(&mut self.is_escaped) {
            return;
        }
        match self.modes.last_mut() {
            Some(Mode::Single) => self.leave_at(c, '\''),
            Some(Mode::Double) => self.in_double(c, before),
            Some(Mode::Comment) if c == '\n' => {
                self.modes.pop();
                self.open_document();
            }
            Some(Mode::Comment) => {}
            Some(Mode::Word(word)) if goes_on(word, c) => word.push(c),
            Some(Mode::Word(_)) => {
                self.end_word();
                self.in_commands(c, before);
            }
            Some(Mode::Document(..)) => self.in_document(c),
            Some(Mode::Parens | Mode::Ticks) | None => self.in_commands(c, before),
        }
    }

    fn leave_at(&mut self, c: char, end: char) {
        if c == end {
            self.modes.pop();
        }
    }

    fn in_double(&mut self, c: char, before: Option<char>) {
        match c {
            '\\' => self.is_escaped = true,
            '"' => drop(self.modes.pop()),
            '`' => self.tick(),
            '(' if before == Some('$') => self.modes.push(Mode::Parens),
            _ => {}
        }
    }

    fn in_commands(&mut self, c: char, before: Option<char>) {
        let begins_word = before.is_none_or(|before| before.is_whitespace() || ";|&(".contains(before));
        match c {
            '\\' => self.is_escaped = true,
            '\'' => self.modes.push(Mode::Single),
            '"' => self.modes.push(Mode::Double),
            '`' => self.tick(),
            '(' => self.modes.push(Mode::Parens),
            ')' => drop(self.modes.pop_if(|mode| *mode == Mode::Parens)),
            '#' if begins_word => self.modes.push(Mode::Comment),
            '<' if before == Some('<') => {
                // The next sign may be no third one.
                self.before = None;
                self.modes.push(Mode::Word(String::new()));
            }
            '\n' => self.open_document(),
            _ => {}
        }
    }

    /// Ends what a backtick began, with all that was begun since; or begins it.
    fn tick(&mut self) {
        match self.modes.iter().rposition(|mode| *mode == Mode::Ticks) {
            Some(at) => self.modes.truncate(at),
            None => self.modes.push(Mode::Ticks),
        }
    }

    fn end_word(&mut self) {
        let Some(Mode::Word(word)) = self.modes.pop() else { return };
        let (is_indented, word) = word.strip_prefix('-').map_or((false, word.as_str()), |rest| (true, rest));
        let end: String = word.trim().chars().filter(|c| !"'\"\\".contains(*c)).collect();
        if !end.is_empty() {
            self.documents.push_back(Document { is_fixed: word.trim() != end, is_indented, end });
        }
    }

    fn open_document(&mut self) {
        if let Some(document) = self.documents.pop_front() {
            self.modes.push(Mode::Document(document, String::new()));
        }
    }

    fn in_document(&mut self, c: char) {
        let Some(Mode::Document(document, line)) = self.modes.last_mut() else { return };
        if c != '\n' {
            line.push(c);
            return;
        }
        let read = if document.is_indented { line.trim_start_matches('\t') } else { line.as_str() };
        let is_end = read == document.end;
        line.clear();
        if is_end {
            self.modes.pop();
            self.open_document();
        }
    }
}

/// Whether a sign belongs to the word behind `<<`.
fn goes_on(word: &str, c: char) -> bool {
    let in_quotes = |quote| word.matches(quote).count() % 2 == 1;
    let has_begun = !word.trim_start_matches('-').trim_start().is_empty();
    match c {
        '\n' => false,
        _ if in_quotes('\'') || in_quotes('"') => true,
        ' ' | '\t' => !has_begun,
        _ => !";|&<>()".contains(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::process::Command;

    const HOSTILE: &str = "a $(echo ran) `echo ran` \"; echo ran; ' echo ran\n#*\\ ~ é";

    fn values(value: &str) -> Values {
        let params = [("v".to_owned(), value.to_owned()), ("n".to_owned(), "7".to_owned())].into();
        Values { params, item: Some(json!({"list": ["x y"]})), ..Values::default() }
    }

    /// What the shell prints, where the value is `value`.
    fn said(text: &str, value: &str) -> String {
        let script = script(text, &values(value)).expect("all names are known");
        let done = Command::new("/bin/sh").arg("-c").arg(&script.text).envs(script.variables).output();
        String::from_utf8(done.expect("there is a shell").stdout).expect("text")
    }

    #[test]
    fn a_value_is_text_wherever_it_stands() {
        for text in [
            "printf %s \"{{ params.v }}\"",
            "printf %s '{{ params.v }}'",
            "# don't {{ params.v }}\nprintf %s \"{{ params.v }}\"",
            "printf %s \"$(printf %s '{{ params.v }}')\"",
            "printf %s \"`printf %s \\\"{{ params.v }}\\\"`\"",
            "(: \\' ; printf %s \"\\\"\" >/dev/null; printf %s '{{ params.v }}')",
            "x='it'\\''s'; printf %s '{{ params.v }}'",
        ] {
            assert_eq!(said(text, HOSTILE), HOSTILE, "{text}");
        }
        let document = format!("{HOSTILE}\n");
        for text in [
            "cat <<END\n{{ params.v }}\nEND",
            "cat <<-'END' | cat\n{{ params.v }}\n\tEND\n",
            "cat <<\"END\"\n{{ params.v }}\nEND\n: 'quotes again'",
            "cat <<A >/dev/null; cat <<'B'\ndon't\nA\n{{ params.v }}\nB",
        ] {
            assert_eq!(said(text, HOSTILE), document, "{text}");
        }
    }

    #[test]
    fn without_quotes_a_value_is_words() {
        assert_eq!(
            said("printf '%s;' {{ params.v }} {{ params.n }}", "a b $(echo ran)"),
            "a;b;$(echo;ran);7;"
        );
        assert_eq!(said("printf %s '{{ item.list }}'", ""), "[\"x y\"]");
        assert_eq!(said("echo $(( {{ params.n }} + 1 ))", ""), "8\n");
    }

    #[test]
    fn what_is_plain_stands_as_it_is_and_a_name_has_one_variable() {
        let made = script("a {{ params.n }} {{ params.v }} {{ params.v }}", &values("x y")).expect("known");
        assert_eq!(made.text, "a 7 ${CRANNOG_VALUE_1} ${CRANNOG_VALUE_1}");
        assert_eq!(made.variables, [("CRANNOG_VALUE_1".to_owned(), "x y".to_owned())]);
    }

    #[test]
    fn a_value_that_would_end_its_place_is_refused() {
        let why = script("cat <<'END'\n{{ params.v }}\nEND", &values("x\nEND\necho ran")).err();
        assert!(why.is_some_and(|why| why.contains("params.v") && why.contains("END")));
        assert!(script("{{ params.w }}", &values("")).is_err_and(|why| why.contains("params.w")));
    }
}
