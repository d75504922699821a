#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clodo_gateway::fuzzing::gateway_paths(data));
