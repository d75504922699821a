//! Texts that look like something and mean nothing.

use super::rule::Fake;
use sha2::{Digest as _, Sha256};

/// 64 of each: six bits pick one.
const FIRST: [&str; 64] = [
    "Ada", "Alma", "Amir", "Ana", "Aron", "Asa", "Bela", "Bo", "Cora", "Dana", "Dora", "Eli",
    "Elin", "Emil", "Enzo", "Esra", "Eva", "Finn", "Gita", "Hana", "Hugo", "Ida", "Ilan", "Ines",
    "Iris", "Ivo", "Jana", "Joel", "Juno", "Kai", "Kira", "Lars", "Lea", "Lena", "Levi", "Lina",
    "Luca", "Maja", "Mara", "Mika", "Milo", "Mina", "Nadia", "Nils", "Nina", "Noa", "Nora", "Olaf",
    "Olga", "Oren", "Otto", "Pia", "Rana", "Remi", "Rosa", "Sami", "Sara", "Signe", "Tara", "Theo",
    "Uma", "Vera", "Yara", "Zoe",
];
const LAST: [&str; 64] = [
    "Abel", "Adler", "Amsel", "Bach", "Baum", "Berg", "Birch", "Bloom", "Brook", "Castle", "Cedar",
    "Clay", "Cliff", "Dale", "Dorn", "Elm", "Falk", "Fern", "Field", "Flint", "Ford", "Forest",
    "Frost", "Gale", "Glen", "Grove", "Haas", "Hale", "Hart", "Hazel", "Heath", "Hill", "Holm",
    "Horn", "Ibis", "Isle", "Juniper", "Kern", "Kiel", "Lake", "Lark", "Linden", "Marsh", "Meadow",
    "Moor", "Moss", "North", "Oak", "Park", "Pine", "Pond", "Reed", "Ridge", "River", "Rowan",
    "Sand", "Stone", "Thorn", "Vale", "Wells", "Wolf", "Wood", "Wren", "Yew",
];
const WORDS: [&str; 32] = [
    "lorem", "ipsum", "dolor", "sit", "amet", "elit", "sed", "do", "magna", "ut", "labore", "et",
    "enim", "ad", "minim", "quis", "nisi", "aliqua", "ex", "ea", "duis", "aute", "irure", "in",
    "velit", "esse", "cillum", "fugiat", "nulla", "sint", "culpa", "mollit",
];
/// The longest text, in characters.
const LONGEST: usize = 10_000;

impl Fake {
    /// The text for a value with this digest and so many characters.
    pub(super) fn text(self, digest: &[u8; 32], characters: usize) -> String {
        let pick = |at: usize| usize::from(digest[at] % 64);
        let (first, last) = (FIRST[pick(0)], LAST[pick(1)]);
        match self {
            Self::Name => format!("{first} {last}"),
            // With 96 bits no two meet.
            Self::Email => {
                let (first, last) = (first.to_lowercase(), last.to_lowercase());
                format!("{first}.{last}.{}@example.com", hex::encode(&digest[2..14]))
            }
            Self::Phone => {
                let mut number = [0; 8];
                number.copy_from_slice(&digest[2..10]);
                format!("+999{:012}", u64::from_le_bytes(number) % 1_000_000_000_000)
            }
            Self::Text => words(digest, characters.min(LONGEST)),
        }
    }
}

fn words(digest: &[u8; 32], characters: usize) -> String {
    let (mut text, mut block) = (String::with_capacity(characters), *digest);
    while text.len() < characters {
        block = Sha256::digest(block).into();
        for byte in block {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(WORDS[usize::from(byte % 32)]);
        }
    }
    // All of it is ASCII.
    text.truncate(characters);
    // As a form would have cut it off.
    if text.ends_with(' ') {
        text.pop();
        text.push('s');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_as_many_names_as_bits_pick() {
        let all = |names: &[&str]| names.iter().collect::<BTreeSet<_>>().len();
        assert_eq!((all(&FIRST), all(&LAST), all(&WORDS)), (64, 64, 32));
    }

    #[test]
    fn a_text_is_as_long_as_the_value() {
        for length in [0, 1, 2, 5, 6, 7, 99, 1_000] {
            let text = Fake::Text.text(&[7; 32], length);
            assert_eq!(text.len(), length);
            assert!(!text.ends_with(' '), "{text:?}");
        }
        assert_eq!(Fake::Text.text(&[7; 32], 1_000_000).len(), LONGEST);
    }
}
