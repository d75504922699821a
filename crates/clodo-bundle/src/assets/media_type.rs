//! The media type of an asset, as wrangler sends it.

/// Where wrangler's table (npm `mime` 4) and `mime_guess` differ, for what sites serve. Sorted.
const DIFFERENT: &[(&str, &str)] = &[
    ("3mf", "model/3mf"),
    ("aif", "audio/x-aiff"),
    ("aifc", "audio/x-aiff"),
    ("aiff", "audio/x-aiff"),
    ("amr", "audio/amr"),
    ("asc", "application/pgp-keys"),
    ("asm", "text/x-asm"),
    ("c", "text/x-c"),
    ("cab", "application/vnd.ms-cab-compressed"),
    ("cc", "text/x-c"),
    ("cer", "application/pkix-cert"),
    ("cjs", "application/node"),
    ("class", "application/java-vm"),
    ("cpp", "text/x-c"),
    ("cxx", "text/x-c"),
    ("dbf", "application/vnd.dbf"),
    ("dcm", "application/dicom"),
    ("dll", "application/octet-stream"),
    ("dtd", "application/xml-dtd"),
    ("dxf", "image/vnd.dxf"),
    ("emf", "image/emf"),
    ("evy", "application/x-envoy"),
    ("exr", "image/aces"),
    ("fbx", "application/vnd.autodesk.fbx"),
    ("flac", "audio/x-flac"),
    ("h", "text/x-c"),
    ("hh", "text/x-c"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ipynb", "application/x-ipynb+json"),
    ("java", "text/x-java-source"),
    ("jfif", "image/pjpeg"),
    ("jls", "image/jls"),
    ("jsx", "text/jsx"),
    ("jxr", "image/jxr"),
    ("jxs", "image/jxs"),
    ("key", "application/vnd.apple.keynote"),
    ("ktx2", "image/ktx2"),
    ("lottie", "application/zip+dotlottie"),
    ("m2ts", "video/mp2t"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4b", "audio/mp4"),
    ("m4s", "video/iso.segment"),
    ("man", "text/troff"),
    ("manifest", "text/cache-manifest"),
    ("map", "application/json"),
    ("mdx", "text/mdx"),
    ("me", "text/troff"),
    ("mid", "audio/midi"),
    ("midi", "audio/midi"),
    ("mjs", "text/javascript"),
    ("ms", "text/troff"),
    ("msix", "application/msix"),
    ("msixbundle", "application/msixbundle"),
    ("mtl", "model/mtl"),
    ("mts", "video/mp2t"),
    ("mvt", "application/vnd.mapbox-vector-tile"),
    ("numbers", "application/vnd.apple.numbers"),
    ("obj", "model/obj"),
    ("otf", "font/otf"),
    ("owl", "application/rdf+xml"),
    ("pages", "application/vnd.apple.pages"),
    ("pct", "image/x-pict"),
    ("pcx", "image/vnd.zbrush.pcx"),
    ("pfb", "application/x-font-type1"),
    ("pfm", "application/x-font-type1"),
    ("pic", "image/x-pict"),
    ("pls", "application/pls+xml"),
    ("psd", "image/vnd.adobe.photoshop"),
    ("rar", "application/vnd.rar"),
    ("rpm", "application/x-redhat-package-manager"),
    ("rs", "application/rls-services+xml"),
    ("s", "text/x-asm"),
    ("sea", "application/x-sea"),
    ("smi", "application/smil+xml"),
    ("spdx", "text/spdx"),
    ("spl", "application/x-futuresplash"),
    ("sql", "application/sql"),
    ("step", "model/step"),
    ("stl", "model/stl"),
    ("stp", "model/step"),
    ("t", "text/troff"),
    ("toml", "application/toml"),
    ("tr", "text/troff"),
    ("ts", "video/mp2t"),
    ("ttml", "application/ttml+xml"),
    ("u3d", "model/u3d"),
    ("usda", "model/vnd.usda"),
    ("usdz", "model/vnd.usdz+zip"),
    ("vcs", "text/x-vcalendar"),
    ("vsdx", "application/vnd.visio"),
    ("wgsl", "text/wgsl"),
    ("wmf", "image/wmf"),
    ("woff", "font/woff"),
    ("wrl", "model/vrml"),
    ("wsdl", "application/wsdl+xml"),
    ("x3db", "model/x3d+fastinfoset"),
    ("x3dv", "model/x3d-vrml"),
    ("xhtm", "application/vnd.pwg-xhtml-print+xml"),
    ("xlf", "application/xliff+xml"),
    ("xlsb", "application/vnd.ms-excel.sheet.binary.macroenabled.12"),
    ("xlsm", "application/vnd.ms-excel.sheet.macroenabled.12"),
    ("xml", "application/xml"),
    ("xsd", "application/xml"),
    ("xsl", "application/xml"),
    ("xslt", "application/xslt+xml"),
    ("yaml", "text/yaml"),
    ("yml", "text/yaml"),
];

/// The media type that a path's extension tells; text comes with its character set.
pub(super) fn of(path: &str) -> Option<String> {
    let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (stem, extension) = name.rsplit_once('.')?;
    if stem.is_empty() {
        return None;
    }
    let extension = extension.to_ascii_lowercase();
    let known = DIFFERENT.binary_search_by_key(&extension.as_str(), |(extension, _)| extension);
    let media_type = match known {
        Ok(at) => DIFFERENT[at].1,
        Err(_) => mime_guess::from_ext(&extension).first_raw()?,
    };
    let is_bare_text = media_type.starts_with("text/") && !media_type.contains("charset");
    Some(if is_bare_text { format!("{media_type}; charset=utf-8") } else { media_type.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(DIFFERENT.is_sorted_by_key(|(extension, _)| extension));
    }

    #[test]
    fn what_sites_serve_has_the_type_that_wrangler_sends() {
        for (path, want) in [
            ("/index.html", Some("text/html; charset=utf-8")),
            ("/a/app.JS", Some("text/javascript; charset=utf-8")),
            ("/app.mjs", Some("text/javascript; charset=utf-8")),
            ("/app.css", Some("text/css; charset=utf-8")),
            ("/app.js.map", Some("application/json")),
            ("/data.json", Some("application/json")),
            ("/site.webmanifest", Some("application/manifest+json")),
            ("/feed.xml", Some("application/xml")),
            ("/robots.txt", Some("text/plain; charset=utf-8")),
            ("/favicon.ico", Some("image/vnd.microsoft.icon")),
            ("/logo.svg", Some("image/svg+xml")),
            ("/photo.avif", Some("image/avif")),
            ("/photo.webp", Some("image/webp")),
            ("/font.woff", Some("font/woff")),
            ("/font.woff2", Some("font/woff2")),
            ("/a.wasm", Some("application/wasm")),
            ("/clip.mp4", Some("video/mp4")),
            ("/doc.pdf", Some("application/pdf")),
            ("/LICENSE", None),
            ("/.well-known/.hidden", None),
            ("/a.b/file", None),
            ("/a.unheard-of", None),
        ] {
            assert_eq!(of(path).as_deref(), want, "{path}");
        }
    }
}
