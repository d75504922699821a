use super::{
    ZoneFileError,
    lines::{Line, Word},
};

/// More records than any zone may have.
const MOST: u32 = 10_000;

/// The lines that `$GENERATE 1-9/2 host-$ A 192.0.2.$` stands for.
pub(super) fn generate(line: &Line) -> Result<Vec<Line>, ZoneFileError> {
    let wrong = |what: &str| ZoneFileError::new(line.number, format!("$GENERATE {what}"));
    let [_, range, pattern @ ..] = &line.words[..] else {
        return Err(wrong("needs a range, a name, a type and a content"));
    };
    if pattern.len() < 3 {
        return Err(wrong("needs a range, a name, a type and a content"));
    }
    let (range, step) = match range.text().split_once('/') {
        Some((range, step)) => (range.to_owned(), step.parse().ok().filter(|step| *step != 0)),
        None => (range.text(), Some(1)),
    };
    let ends = range.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let (Some((from, to)), Some(step)) = (ends, step) else {
        return Err(wrong("has no range such as 1-9 or 1-9/2"));
    };
    if MOST < u32::saturating_sub(to, from) / step {
        return Err(wrong("makes too many records"));
    }
    let mut found = Vec::new();
    for number in (from..=to).step_by(step as usize) {
        let filled = pattern.iter().map(|word| filled(word, i64::from(number)));
        let words = filled.collect::<Option<_>>().ok_or_else(|| wrong("has a wrong ${…}"))?;
        found.push(Line { words, indented: false, ..line.clone() });
    }
    Ok(found)
}

/// `$` is the number, `${offset,width,base}` the number in another form, `$$` a dollar.
fn filled(word: &Word, number: i64) -> Option<Word> {
    let text = word.text();
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(form) = after.strip_prefix('{') {
            let (form, after) = form.split_once('}')?;
            out.push_str(&shaped(form, number)?);
            rest = after;
        } else {
            out.push_str(&number.to_string());
            rest = after;
        }
    }
    out.push_str(rest);
    Some(Word { bytes: out.into_bytes(), quoted: word.quoted })
}

fn shaped(form: &str, number: i64) -> Option<String> {
    let mut parts = form.split(',').map(str::trim);
    let number = number.checked_add(parts.next()?.parse().ok()?)?;
    let width: usize = parts.next().map_or(Some(0), |width| width.parse().ok())?;
    if 255 < width {
        return None;
    }
    Some(match parts.next().unwrap_or("d") {
        "d" => format!("{number:0width$}"),
        "o" => format!("{number:0width$o}"),
        "x" => format!("{number:0width$x}"),
        "X" => format!("{number:0width$X}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::lines::lines, *};

    fn made(text: &str) -> Result<Vec<String>, ZoneFileError> {
        let made = generate(&lines(text).unwrap()[0])?;
        let joined = |line: Line| line.words.iter().map(Word::text).collect::<Vec<_>>().join(" ");
        Ok(made.into_iter().map(joined).collect())
    }

    #[test]
    fn a_range_makes_a_line_for_each_number() {
        assert_eq!(
            made("$GENERATE 1-2 h$ A 192.0.2.$").unwrap(),
            ["h1 A 192.0.2.1", "h2 A 192.0.2.2"]
        );
        assert_eq!(
            made("$GENERATE 0-4/2 h${10,4,x} TXT $$$").unwrap(),
            ["h000a TXT $0", "h000c TXT $2", "h000e TXT $4"]
        );
    }

    #[test]
    fn a_wrong_range_or_form_is_refused() {
        for bad in [
            "1",
            "a-b h A x",
            "1-2/0 h$ A x",
            "1-2 h",
            "0-99999 h$ A x",
            "1-2 ${0,0,z} A x",
            "1-2 ${ A x",
        ] {
            assert!(made(&format!("$GENERATE {bad}")).is_err(), "{bad}");
        }
    }
}
