#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clodo_storage::fuzzing::binding_keys(data));
