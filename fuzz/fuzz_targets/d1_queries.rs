#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clodo_storage::fuzzing::d1_queries(data));
