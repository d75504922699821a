#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clodo_wrangler::fuzzing::wrangler_configs(data));
