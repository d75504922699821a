//! Bundles as tar archives, so that another machine can upload what this one has built.

use crate::{AssetFile, AssetSet, Bundle, Module, ModuleKind};
use bytes::Bytes;
use clodo_types::ContentHash;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

const FORMAT: u32 = 1;
const ABOUT: &str = "bundle.json";
/// What describes a bundle of 100,000 files fits in it.
const MOST_ABOUT: u64 = 64 * 1024 * 1024;

/// Why an archive gives no bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It could not be read, or what is in it could not be put into the folder.
    #[error("the archive of a bundle could not be read")]
    Io(#[from] io::Error),
    /// It is not one of these.
    #[error("this is no archive of a bundle: {0}")]
    Broken(String),
    /// A newer Clodo made it.
    #[error("a newer Clodo made this archive (format {0})")]
    NewerFormat(u32),
    /// What is in it is not what its hash says.
    #[error("the archive holds bundle {found}, not {wanted}")]
    OtherContent {
        /// The hash that it says it has.
        wanted: ContentHash,
        /// The hash of what is in it.
        found: ContentHash,
    },
}

#[derive(Serialize, Deserialize)]
struct About {
    format: u32,
    hash: ContentHash,
    main_module: Option<String>,
    modules: Vec<ModuleEntry>,
    source_maps: Vec<ModuleEntry>,
    assets: Option<AssetsEntry>,
}

#[derive(Serialize, Deserialize)]
struct ModuleEntry {
    name: String,
    kind: ModuleKind,
}

#[derive(Serialize, Deserialize)]
struct AssetsEntry {
    headers: Option<String>,
    redirects: Option<String>,
    files: Vec<AssetEntry>,
}

#[derive(Serialize, Deserialize)]
struct AssetEntry {
    path: String,
    hash: String,
    size: u64,
    content_type: Option<String>,
}

impl Bundle {
    /// Writes the bundle with the content of its assets. Names in the archive are numbers, so that no
    /// name of a module or asset means a place on somebody's disk.
    ///
    /// # Errors
    /// When an asset cannot be read any more, or `out` cannot be written.
    pub fn pack(&self, out: impl Write) -> io::Result<()> {
        let module = |module: &Module| ModuleEntry { name: module.name.clone(), kind: module.kind };
        let about = About {
            format: FORMAT,
            hash: self.hash,
            main_module: self.main_module.clone(),
            modules: self.modules.iter().map(module).collect(),
            source_maps: self.source_maps.iter().map(module).collect(),
            assets: self.assets.as_ref().map(AssetsEntry::of),
        };
        let mut tar = tar::Builder::new(out);
        add(&mut tar, ABOUT, &serde_json::to_vec(&about)?)?;
        for (at, module) in self.modules.iter().enumerate() {
            add(&mut tar, &format!("modules/{at}"), &module.body)?;
        }
        for (at, map) in self.source_maps.iter().enumerate() {
            add(&mut tar, &format!("maps/{at}"), &map.body)?;
        }
        for (at, file) in self.assets.iter().flat_map(|assets| &assets.files).enumerate() {
            let source = fs::File::open(&file.source)?;
            let size = source.metadata()?.len();
            append(&mut tar, &format!("assets/{at}"), size, source)?;
        }
        tar.into_inner()?.flush()
    }

    /// Reads an archive that [`pack`](Self::pack) wrote, and puts its assets into `folder`, where
    /// they must stay until they are uploaded.
    ///
    /// # Errors
    /// When it is broken, of a newer format, or not what its hash says.
    pub fn unpack(archive: impl Read, folder: &Path) -> Result<Self, ArchiveError> {
        let mut tar = tar::Archive::new(archive);
        let mut entries = tar.entries()?;
        let first = entries.next().ok_or_else(|| broken("it is empty"))??;
        let about = read_about(first)?;
        let mut read = |place: &str, at: usize| -> Result<Vec<u8>, ArchiveError> {
            let mut entry = entries.next().ok_or_else(|| broken("it is cut off"))??;
            if entry.path()?.as_os_str() != format!("{place}/{at}").as_str() {
                return Err(broken("its parts are not in order"));
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            Ok(content)
        };
        let mut modules = Vec::new();
        for (place, listed) in [("modules", &about.modules), ("maps", &about.source_maps)] {
            for (at, entry) in listed.iter().enumerate() {
                let body = Bytes::from(read(place, at)?);
                modules.push(Module { name: entry.name.clone(), kind: entry.kind, body });
            }
        }
        let assets = match about.assets {
            Some(assets) => Some(assets.unpack(folder, read)?),
            None => None,
        };
        let bundle = Self::new(about.main_module, modules, assets);
        let (wanted, found) = (about.hash, bundle.hash);
        if wanted == found { Ok(bundle) } else { Err(ArchiveError::OtherContent { wanted, found }) }
    }
}

impl AssetsEntry {
    fn of(assets: &AssetSet) -> Self {
        let files = assets.files.iter().map(|file| AssetEntry {
            path: file.path.clone(),
            hash: file.hash.clone(),
            size: file.size,
            content_type: file.content_type.clone(),
        });
        let (headers, redirects) = (assets.headers.clone(), assets.redirects.clone());
        Self { headers, redirects, files: files.collect() }
    }

    fn unpack(
        self,
        folder: &Path,
        mut read: impl FnMut(&str, usize) -> Result<Vec<u8>, ArchiveError>,
    ) -> Result<AssetSet, ArchiveError> {
        fs::create_dir_all(folder)?;
        let mut files = Vec::new();
        for (at, entry) in self.files.into_iter().enumerate() {
            let (content, source) = (read("assets", at)?, folder.join(at.to_string()));
            if content.len() as u64 != entry.size {
                return Err(broken("an asset has another size than it should"));
            }
            fs::write(&source, content)?;
            let AssetEntry { path, hash, size, content_type } = entry;
            files.push(AssetFile { path, hash, size, content_type, source });
        }
        Ok(AssetSet { files, headers: self.headers, redirects: self.redirects })
    }
}

fn read_about<R: Read>(entry: tar::Entry<'_, R>) -> Result<About, ArchiveError> {
    if entry.path()?.as_os_str() != ABOUT {
        return Err(broken("it does not begin with a description"));
    }
    let mut text = Vec::new();
    entry.take(MOST_ABOUT).read_to_end(&mut text)?;
    let format = serde_json::from_slice::<serde_json::Value>(&text);
    let format = format.ok().and_then(|about| u32::try_from(about["format"].as_u64()?).ok());
    match format {
        Some(format) if format > FORMAT => Err(ArchiveError::NewerFormat(format)),
        _ => serde_json::from_slice(&text).map_err(|error| broken(&error.to_string())),
    }
}

fn broken(why: &str) -> ArchiveError {
    ArchiveError::Broken(why.to_owned())
}

fn add(tar: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> io::Result<()> {
    append(tar, name, content.len() as u64, content)
}

/// Without owners and times: the same bundle is the same archive on every machine.
fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_cksum();
    tar.append_data(&mut header, name, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(folder: &Path) -> Bundle {
        let module = |name: &str, kind, body: &str| Module {
            name: name.to_owned(),
            kind,
            body: body.to_owned().into(),
        };
        let source = folder.join("logo.svg");
        fs::write(&source, "<svg/>").unwrap();
        let file = AssetFile {
            path: "/../logo.svg".to_owned(),
            hash: "0".repeat(32),
            size: 6,
            content_type: Some("image/svg+xml".to_owned()),
            source,
        };
        let assets = AssetSet {
            files: vec![file],
            headers: Some("/*\n  x-a: 1".to_owned()),
            redirects: None,
        };
        let modules = vec![
            module("index.js", ModuleKind::EsModule, "export default {}"),
            module("../../etc/passwd", ModuleKind::Text, "text"),
            module("index.js.map", ModuleKind::SourceMap, "{}"),
        ];
        Bundle::new(Some("index.js".to_owned()), modules, Some(assets))
    }

    #[test]
    fn what_was_packed_is_unpacked_elsewhere() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let bundle = bundle(here.path());
        let mut archive = Vec::new();
        bundle.pack(&mut archive).unwrap();
        let mut later = Vec::new();
        let logo = fs::File::options().append(true).open(here.path().join("logo.svg")).unwrap();
        logo.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        bundle.pack(&mut later).unwrap();
        assert!(archive == later, "no times of files are in it");
        let mut read = Bundle::unpack(&archive[..], &there.path().join("assets")).unwrap();
        let asset = &mut read.assets.as_mut().unwrap().files[0];
        assert_eq!(fs::read(&asset.source).unwrap(), b"<svg/>");
        assert!(asset.source.starts_with(there.path()));
        asset.source = here.path().join("logo.svg");
        assert_eq!(read, bundle);
    }

    #[test]
    fn a_damaged_archive_is_refused() {
        let here = tempfile::tempdir().unwrap();
        let mut archive = Vec::new();
        bundle(here.path()).pack(&mut archive).unwrap();
        let unpack =
            |archive: &[u8]| Bundle::unpack(archive, &here.path().join("out")).unwrap_err();
        for length in [0, 1, 511, 512, 1_024, archive.len() / 2] {
            let error = unpack(&archive[..length]);
            assert!(matches!(error, ArchiveError::Broken(_) | ArchiveError::Io(_)), "{error}");
        }
        let at = archive.windows(14).position(|part| part == b"export default").unwrap();
        archive[at] = b'E';
        assert!(matches!(unpack(&archive), ArchiveError::OtherContent { .. }));
    }
}
