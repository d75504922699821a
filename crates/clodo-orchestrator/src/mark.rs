use crate::preview::Preview;
use clodo_types::{ContentHash, DeploymentId, PortfolioName};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The fingerprints of what a Worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hashes {
    /// Of the modules and assets.
    pub content: ContentHash,
    /// Of bindings and settings.
    pub config: ContentHash,
    /// Of what no listing shows: routes and schedules.
    pub triggers: ContentHash,
}

/// What Clodo writes into a Worker's tags: whose it is from the first upload on, and the hashes as
/// the very last step of a deployment.
///
/// A Worker that has an owner and no hashes is one whose first deployment did not finish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The portfolio that the Worker belongs to.
    pub owner: Option<PortfolioName>,
    /// What the last finished deployment left.
    pub hashes: Option<Hashes>,
    /// The preview that the Worker is part of, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
}

const OWNER: &str = "clodo:";
const CONTENT: &str = "clodo:content:";
const CONFIG: &str = "clodo:config:";
const TRIGGERS: &str = "clodo:triggers:";
const PREVIEW: &str = "clodo:preview:";

impl Mark {
    /// Reads it; tags of others, and tags that make no sense, are skipped.
    #[must_use]
    pub fn from_tags<T: AsRef<str>>(tags: &[T]) -> Self {
        let find = |prefix| tags.iter().find_map(|tag| tag.as_ref().strip_prefix(prefix));
        let hash = |prefix| find(prefix).and_then(|text: &str| text.parse().ok());
        let owner = tags.iter().find_map(|tag| tag.as_ref().strip_prefix(OWNER)?.parse().ok());
        let hashes = hash(CONTENT)
            .zip(hash(CONFIG))
            .zip(hash(TRIGGERS))
            .map(|((content, config), triggers)| Hashes { content, config, triggers });
        let tag = find(PREVIEW);
        let preview = tag.and_then(Preview::from_tag);
        // A preview of which nobody can tell which one: nobody's, so that no command takes it away.
        let owner = owner.filter(|_| tag.is_none() || preview.is_some());
        Self { owner, hashes, preview }
    }

    /// Writes it among the `tags` that are there; those of others stay, and what is part of a preview
    /// stays so, whoever marks it.
    #[must_use]
    pub fn to_tags<T: AsRef<str>>(&self, tags: &[T]) -> Vec<String> {
        let foreign = tags.iter().map(AsRef::as_ref).filter(|tag| !tag.starts_with(OWNER));
        let mut written: Vec<String> = foreign.map(str::to_owned).collect();
        written.extend(self.owner.iter().map(|owner| format!("{OWNER}{owner}")));
        if let Some(hashes) = &self.hashes {
            written.push(format!("{CONTENT}{}", hashes.content));
            written.push(format!("{CONFIG}{}", hashes.config));
            written.push(format!("{TRIGGERS}{}", hashes.triggers));
        }
        let there = || Self::from_tags(tags).preview;
        let preview = self.preview.clone().or_else(there);
        written.extend(preview.map(|preview| format!("{PREVIEW}{}", preview.to_tag())));
        written
    }
}

/// The message of an uploaded version. It says from which deployment it is and what is in it, so
/// that a run that is started again finds the version instead of uploading it twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionMessage {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Of the modules and assets.
    pub content: ContentHash,
    /// Of bindings and settings.
    pub config: ContentHash,
    /// The revision of the source.
    pub revision: Option<String>,
}

impl VersionMessage {
    /// True when the version that has this message is what `hashes` describe.
    #[must_use]
    pub fn fits(&self, hashes: &Hashes) -> bool {
        self.content == hashes.content && self.config == hashes.config
    }
}

impl fmt::Display for VersionMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clodo {} {} {}", self.deployment, self.content, self.config)?;
        match &self.revision {
            // The platform cuts a message after 100 bytes; it shall not cut through a character.
            Some(revision) => write!(f, " {}", &revision[..revision.floor_char_boundary(23)]),
            None => Ok(()),
        }
    }
}

/// A message that Clodo did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the version's message is not one of Clodo's")]
pub struct MessageError;

impl FromStr for VersionMessage {
    type Err = MessageError;

    fn from_str(text: &str) -> Result<Self, MessageError> {
        let mut words = text.splitn(5, ' ');
        let mut word = || words.next().ok_or(MessageError);
        if word()? != "clodo" {
            return Err(MessageError);
        }
        Ok(Self {
            deployment: word()?.parse().map_err(|_| MessageError)?,
            content: word()?.parse().map_err(|_| MessageError)?,
            config: word()?.parse().map_err(|_| MessageError)?,
            revision: words.next().map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes() -> Hashes {
        let hash = |digit: &str| digit.repeat(16).parse().unwrap();
        Hashes { content: hash("1"), config: hash("2"), triggers: hash("3") }
    }

    #[test]
    fn a_mark_survives_the_tags_and_leaves_those_of_others() {
        let mark = Mark { owner: "shop".parse().ok(), hashes: Some(hashes()), preview: None };
        let tags = mark.to_tags(&["team:blue", "clodo:old", "clodo:content:junk"]);
        assert_eq!(tags[0], "team:blue");
        assert_eq!(tags.len(), 5);
        assert_eq!(Mark::from_tags(&tags), mark);
        assert_eq!(mark.to_tags(&tags), tags);
    }

    #[test]
    fn a_preview_whose_tag_cannot_be_read_is_nobodys() {
        let mark = Mark::from_tags(&["clodo:shop", "clodo:preview:from-the-future"]);
        assert_eq!((mark.owner, mark.preview), (None, None));
    }

    #[test]
    fn what_is_part_of_a_preview_stays_so() {
        let tag = "clodo:preview:fix:development:web::1764374400::ada";
        let mark = Mark::from_tags(&["clodo:shop", tag]);
        assert_eq!(mark.owner.as_ref().unwrap().as_str(), "shop");
        assert_eq!(mark.preview.as_ref().unwrap().name.as_str(), "fix");
        let unmarked = Mark { owner: mark.owner, ..Mark::default() };
        assert_eq!(unmarked.to_tags(&["clodo:shop", tag]), ["clodo:shop", tag]);
        assert_eq!(unmarked.to_tags(&["clodo:shop"]), ["clodo:shop"]);
    }

    #[test]
    fn a_mark_without_all_hashes_is_unfinished() {
        let mark = Mark::from_tags(&["clodo:shop", "clodo:content:1111111111111111"]);
        assert_eq!(mark.owner.unwrap().as_str(), "shop");
        assert_eq!(mark.hashes, None);
        assert_eq!(Mark::from_tags(&["cf:service=x"]), Mark::default());
    }

    #[test]
    fn a_version_message_survives_its_text_form() {
        for revision in [None, Some("a1b2 dirty".to_owned())] {
            let Hashes { content, config, .. } = hashes();
            let deployment = "018f3c5e-0000-7000-8000-000000000000".parse().unwrap();
            let message = VersionMessage { deployment, content, config, revision };
            assert_eq!(message.to_string().parse(), Ok(message.clone()));
            assert!(message.fits(&hashes()));
        }
        assert_eq!("fix the login".parse::<VersionMessage>(), Err(MessageError));
        assert_eq!("".parse::<VersionMessage>(), Err(MessageError));
    }
}
