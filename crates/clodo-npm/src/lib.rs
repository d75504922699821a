//! npm packages at pinned versions in a user cache: workerd, esbuild.
