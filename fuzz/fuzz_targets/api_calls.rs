#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clodo_local::fuzzing::api_calls(data));
