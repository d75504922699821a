// Records what real wrangler makes of every file in `corpus/`, so that the tests need no Node.
//
//   node record.mjs <folder of wrangler 4.164.0> <folder of wrangler 4.86.0>
//
// Each folder is one in which `npm install wrangler@<version>` ran. Run it with a Node that the
// newer of the two supports. Next to `x.toml` comes `x.toml.json`: for the top level (the key "")
// and for each environment, the effective config (only what differs from an empty file's, which
// is in `defaults.json`), the rendered errors and the rendered warnings. What the older wrangler
// says is recorded only where it differs.
import fs from "node:fs";
import Module from "node:module";
import os from "node:os";
import path from "node:path";

const corpus = path.join(import.meta.dirname, "corpus");
const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "record-")));
process.env.HOME = scratch;
process.env.WRANGLER_SEND_METRICS = "false";
process.chdir(scratch);

// wrangler throws away the warnings of a config that it refuses, and prints the others to the
// terminal. So this takes the function that `unstable_readConfig` itself calls out of the bundle.
function load(folder) {
	const file = path.join(folder, "node_modules/wrangler/wrangler-dist/cli.js");
	const wanted =
		"\nmodule.exports.recorded = { normalizeAndValidateConfig, experimental_readRawConfig: exports.experimental_readRawConfig ?? experimental_readRawConfig };";
	const module = new Module(file);
	module.filename = file;
	module.paths = Module._nodeModulePaths(path.dirname(file));
	module._compile(fs.readFileSync(file, "utf8") + wanted, file);
	return module.exports.recorded;
}

// biome-ignore lint: escape sequences are what this looks for
const plain = (text) => text.replace(/\x1b\[\d+m/g, "");

// Absolute paths become relative to the config file.
function portable(config) {
	for (const key of ["configPath", "userConfigPath"]) delete config[key];
	for (const key of ["main", "base_dir", "pages_build_output_dir"]) {
		if (typeof config[key] === "string") config[key] = path.relative(scratch, config[key]);
	}
	return JSON.parse(JSON.stringify(config));
}

function read(wrangler, file, env) {
	try {
		const { rawConfig, configPath } = wrangler.experimental_readRawConfig({ config: file });
		const { config, diagnostics } = wrangler.normalizeAndValidateConfig(
			rawConfig,
			configPath,
			configPath,
			{ config: file, env }
		);
		const answer = {};
		if (diagnostics.hasErrors()) answer.errors = plain(diagnostics.renderErrors());
		if (diagnostics.hasWarnings()) answer.warnings = plain(diagnostics.renderWarnings());
		return { config: portable(config), ...answer };
	} catch (error) {
		const at = error.location && { line: error.location.line };
		return { thrown: plain(String(error.text ?? error.message)), at };
	}
}

function environments(wrangler, file) {
	try {
		const { rawConfig } = wrangler.experimental_readRawConfig({ config: file });
		return Object.keys(rawConfig.env ?? {});
	} catch {
		return [];
	}
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function withoutDefaults(answer, defaults) {
	if (!answer.config) return answer;
	const config = {};
	for (const [key, value] of Object.entries(answer.config)) {
		if (!same(value, defaults[key])) config[key] = value;
	}
	return { ...answer, config };
}

function record(wrangler, name, defaults) {
	const file = path.join(scratch, "wrangler" + path.extname(name));
	fs.copyFileSync(path.join(corpus, name), file);
	const answers = {};
	for (const env of ["", ...environments(wrangler, file), "absent"]) {
		answers[env] = withoutDefaults(read(wrangler, file, env || undefined), defaults);
	}
	fs.rmSync(file);
	return answers;
}

const [newest, older] = process.argv.slice(2).map((folder) => load(path.resolve(corpus, folder)));
const empty = path.join(scratch, "wrangler.toml");
const defaultsOf = (wrangler) => {
	fs.writeFileSync(empty, "");
	return read(wrangler, empty, undefined).config;
};
const defaults = defaultsOf(newest);
const olderDefaults = defaultsOf(older);
// One line an environment: small, and still readable in a diff.
const lines = (object, inner) =>
	Object.entries(object).map(([key, value]) => `${JSON.stringify(key)}: ${inner(value)}`);
const save = (name, value, inner = JSON.stringify) =>
	fs.writeFileSync(path.join(corpus, name), `{\n${lines(value, inner).join(",\n")}\n}\n`);

save("defaults.json", defaults);
for (const name of fs.readdirSync(corpus).sort()) {
	if (![".toml", ".jsonc"].includes(path.extname(name))) continue;
	const answers = { "4.164.0": record(newest, name, defaults) };
	const before = record(older, name, olderDefaults);
	if (!same(before, answers["4.164.0"])) answers["4.86.0"] = before;
	save(name + ".json", answers, (all) => `{\n${lines(all, JSON.stringify).join(",\n")}\n}`);
}
fs.rmSync(scratch, { recursive: true });
process.exit(0);
