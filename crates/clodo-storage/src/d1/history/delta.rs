//! What a page was before a write, told by how it differs from what it is after.

/// A page before a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// The bytes that differ: offset and length as 16-bit numbers, then the bytes, again and again.
    Differs(Vec<u8>),
    /// All of it: the difference would be longer, or there is no page to tell it from.
    Whole(Vec<u8>),
}

/// Differing bytes closer than this go into one run.
const GAP: usize = 6;

/// `None` when the pages are equal.
pub(super) fn difference(old: &[u8], new: &[u8]) -> Option<Before> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (chunk, (left, right)) in old.chunks(64).zip(new.chunks(64)).enumerate() {
        if left == right {
            continue;
        }
        for at in (0..left.len()).filter(|at| left[*at] != right[*at]) {
            let at = chunk * 64 + at;
            match runs.last_mut() {
                Some((_, end)) if at <= *end + GAP => *end = at + 1,
                _ => runs.push((at, at + 1)),
            }
        }
    }
    if runs.is_empty() {
        return None;
    }
    let length: usize = runs.iter().map(|(start, end)| 4 + end - start).sum();
    if length >= old.len() || old.len() > usize::from(u16::MAX) {
        return Some(Before::Whole(old.to_vec()));
    }
    let mut bytes = Vec::with_capacity(length);
    for (start, end) in runs {
        bytes.extend_from_slice(&(start as u16).to_be_bytes());
        bytes.extend_from_slice(&((end - start) as u16).to_be_bytes());
        bytes.extend_from_slice(&old[start..end]);
    }
    Some(Before::Differs(bytes))
}

/// Puts a page back; false when the difference does not fit it.
pub(super) fn put_back(page: &mut Vec<u8>, before: &Before) -> bool {
    let mut rest = match before {
        Before::Whole(bytes) => {
            page.clone_from(bytes);
            return true;
        }
        Before::Differs(bytes) => bytes.as_slice(),
    };
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let start = usize::from(u16::from_be_bytes([head[0], head[1]]));
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (Some(old), Some(place)) = (tail.get(..length), page.get_mut(start..start + length))
        else {
            return false;
        };
        place.copy_from_slice(old);
        rest = &tail[length..];
    }
    rest.is_empty()
}

/// Tells pages apart well enough to notice a page that history does not know.
pub(super) fn fingerprint(page: &[u8]) -> [u8; 8] {
    let digest = blake3::hash(page);
    *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, proptest};

    #[test]
    fn equal_pages_do_not_differ_and_small_changes_are_small() {
        let old = vec![7; 4096];
        assert_eq!(difference(&old, &old), None);
        let mut new = old.clone();
        (new[0], new[4095]) = (1, 2);
        assert_eq!(
            difference(&old, &new),
            Some(Before::Differs(vec![0, 0, 0, 1, 7, 15, 255, 0, 1, 7]))
        );
    }

    #[test]
    fn a_difference_that_does_not_fit_is_noticed() {
        let mut page = vec![0; 8];
        for bad in [&[0, 9, 0, 1, 1][..], &[0, 0, 0, 2, 1], &[0, 0, 0]] {
            assert!(!put_back(&mut page, &Before::Differs(bad.to_vec())), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_back_is_what_was(
            old in prop::collection::vec(0_u8..4, 512),
            changes in prop::collection::vec((0_usize..512, 0_u8..4), 0..600),
        ) {
            let mut new = old.clone();
            for (at, byte) in changes {
                new[at] = byte;
            }
            match difference(&old, &new) {
                None => assert_eq!(old, new),
                Some(before) => {
                    assert!(put_back(&mut new, &before));
                    assert_eq!(old, new);
                }
            }
        }
    }
}
