//! wrangler's queue commands, both generations; what a queue delivers is tested in `queues.rs`.

use clodo_tests::{Sandbox, Wrangler};

const CODE: &str = "export default { fetch() { return new Response('') }, queue() {} };";
const CONFIG: &str =
    "name = \"mailer\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\n";

// conformance: queues | wrangler queues create | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues list | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues info | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues update | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues delete | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues purge | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues pause-delivery | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues resume-delivery | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer add | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer remove | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer list | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer worker add | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer worker remove | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer worker list | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer http add | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer http remove | accepted by wrangler 4.86 and 4.164
// conformance: queues | wrangler queues consumer http list | accepted by wrangler 4.86 and 4.164
fn manages_queues(wrangler: &Wrangler) {
    let sandbox = Sandbox::empty();
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    sandbox.write("index.js", CODE);
    sandbox.write("wrangler.toml", CONFIG);
    let run = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let run = wrangler.run(&sandbox, &sandbox.project(), &words).exits(0);
        run.stdout + &run.stderr
    };
    let says = |line: &str, expected: &str| {
        let said = run(line);
        assert!(said.contains(expected), "`{line}` does not say {expected:?}:\n{said}");
    };
    run("deploy");
    run("queues create mails");
    says("queues list", "mails");
    says("queues info mails", "mails");
    run("queues update mails --delivery-delay-secs 5");
    run("queues consumer worker add mails mailer --batch-size 5");
    says("queues consumer worker list mails", "mailer");
    says("queues consumer list mails", "mailer");
    run("queues consumer worker remove mails mailer");
    run("queues consumer add mails mailer");
    run("queues consumer remove mails mailer");
    run("queues consumer http add mails");
    says("queues consumer http list mails", "visibility_timeout_ms");
    run("queues consumer http remove mails");
    run("queues pause-delivery mails");
    run("queues resume-delivery mails");
    run("queues purge mails --force");
    run("queues delete mails");
    assert!(!run("queues list").contains("mails"));
}

#[test]
fn wrangler_4_86_manages_queues() {
    manages_queues(&Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_manages_queues() {
    manages_queues(&Wrangler::v4_164());
}
