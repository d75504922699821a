#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clodo_workerd::fuzzing::asset_rules(data));
