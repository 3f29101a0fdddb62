//! Where statements come from: arguments, lines, or JSON strings.

use std::io::BufRead;

use anyhow::{Context, Result, bail};

/// The statements, in order; an error names the line and what would be accepted there.
pub(crate) fn statements<'a>(
    arguments: &'a [String],
    json: bool,
    input: impl BufRead + 'a,
) -> Box<dyn Iterator<Item = Result<String>> + 'a> {
    let parse = move |what: &str, number: usize, text: String| {
        if json {
            parse_json(what, number, &text)
        } else {
            Ok(text)
        }
    };
    if !arguments.is_empty() {
        let numbered = arguments.iter().cloned().zip(1..);
        return Box::new(numbered.map(move |(text, number)| parse("argument", number, text)));
    }
    let lines = input.split(b'\n').zip(1..);
    Box::new(lines.filter_map(move |(line, number)| {
        let line = line.context("standard input cannot be read");
        let text = line.and_then(|line| text_of(number, line));
        match text {
            // blank lines part statements in a log; in JSON there are none
            Ok(text) if !json && text.trim().is_empty() => None,
            Ok(text) => Some(parse("line", number, text)),
            Err(error) => Some(Err(error)),
        }
    }))
}

fn text_of(number: usize, mut line: Vec<u8>) -> Result<String> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|error| {
        let shown = shortened(&String::from_utf8_lossy(error.as_bytes()));
        anyhow::anyhow!("line {number}: {shown:?} is not accepted; use UTF-8")
    })
}

fn parse_json(what: &str, number: usize, text: &str) -> Result<String> {
    match serde_json::from_str(text) {
        Ok(serde_json::Value::String(sql)) => Ok(sql),
        _ => bail!(
            "{what} {number}: {} is not accepted; use a JSON string, such as \"SELECT 1\"",
            shortened(text)
        ),
    }
}

/// What fits into a line of a terminal.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if one_line.chars().count() <= LONGEST {
        return one_line;
    }
    let start: String = one_line.chars().take(LONGEST - 1).collect();
    format!("{start}…")
}
