#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clodo_local::fuzzing::cron_expressions(data));
