//! nginx and Apache, beside the original agents and in what ours find out more.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::network::up;
use crate::side_by_side::{LIFE, compare_with};
use crate::{Call, Case};

pub const CASES: &[Case] = &[
    ("side_by_side_nginx", nginx_beside_the_original),
    ("side_by_side_nginx_levels", nginx_levels),
    ("side_by_side_apache", apache_beside_the_original),
    ("side_by_side_apache_levels", apache_levels),
    ("nginx_orphans_are_found_and_ended", nginx_orphans),
    ("nginx_mistakes_are_found_before_a_start", nginx_mistakes),
    ("apache_mistakes_are_found_before_a_start", apache_mistakes),
];

/// Why a case cannot run here.
pub fn obstacle(name: &str) -> Option<String> {
    let program = if name.contains("nginx") {
        "/usr/sbin/nginx"
    } else if name.contains("apache") {
        "/usr/sbin/apache2"
    } else {
        return None;
    };
    if !nix::unistd::geteuid().is_root() {
        return Some("web servers change their user, which root only can".to_owned());
    }
    (!Path::new(program).exists()).then(|| format!("there is no {program}"))
}

/// What a passer-by sees.
fn serving() -> Vec<String> {
    vec![format!("serving: {}", TcpStream::connect(("127.0.0.1", 8081)).is_ok())]
}

fn place() -> tempfile::TempDir {
    up("lo");
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("www")).unwrap();
    // A private place of the runner's would be closed to the server's own user.
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    place
}

fn nginx(place: &Path, more: &str) -> String {
    let at = place.display();
    let text = format!(
        "user root;\nworker_processes 2;\npid {at}/pid;\nerror_log {at}/error;\nevents {{}}\n\
         http {{\naccess_log off;\nclient_body_temp_path {at}/1;\nproxy_temp_path {at}/2;\n\
         fastcgi_temp_path {at}/3;\nuwsgi_temp_path {at}/4;\nscgi_temp_path {at}/5;\n\
         server {{ listen 127.0.0.1:8081; root {at}/www;\n\
         location / {{ return 200 hello; }}\n\
         location = /state {{ default_type text/plain; \
         return 200 'Reading: 0 Writing: 1 Waiting: 0'; }}\n{more} }}\n}}\n"
    );
    let file = place.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn nginx_beside_the_original() {
    let place = place();
    let config = nginx(place.path(), "");
    let tools = tempfile::tempdir().unwrap();
    let compare = |params: &[(&str, &str)], actions: &[&str]| {
        compare_with(tools.path(), "nginx", params, actions, serving);
    };
    let url = ("status10url", "http://127.0.0.1:8081/state");
    compare(&[("configfile", &config), url], LIFE);
    compare(&[("configfile", &config), url], &["reload", "monitor", "reload", "monitor", "stop"]);
    let wrong = &["validate-all", "start", "monitor", "stop"];
    compare(&[("configfile", "/none"), url], wrong);
    compare(&[("configfile", &config), url, ("httpd", "/none")], wrong);
    let broken = place.path().join("broken.conf");
    std::fs::write(&broken, "pid /run/none.pid;\nno such thing;\n").unwrap();
    compare(&[("configfile", broken.to_str().unwrap()), url], wrong);
}

fn nginx_levels() {
    let place = place();
    let config = nginx(place.path(), "");
    let tests = place.path().join("tests");
    std::fs::write(&tests, "test one\nurl http://127.0.0.1:8081/\nmatch HELL.\nend\n").unwrap();
    let tools = tempfile::tempdir().unwrap();
    let all = [
        ("10", vec![("status10url", "http://127.0.0.1:8081/state")]),
        ("10", vec![("status10url", "http://127.0.0.1:8081/"), ("status10regex", "absent")]),
        ("20", vec![]),
        // In full: the original takes the semicolon of "listen" into what it puts before a path.
        ("20", vec![("test20url", "http://127.0.0.1:8081/"), ("test20regex", "^hello")]),
        ("20", vec![("test20url", "http://127.0.0.1:8081/"), ("test20regex", "absent")]),
        ("20", vec![("test20conffile", tests.to_str().unwrap())]),
        ("30", vec![]),
        ("30", vec![("external_monitor30_cmd", "true")]),
        ("30", vec![("external_monitor30_cmd", "/none")]),
    ];
    for (level, mut params) in all {
        params.extend([("configfile", config.as_str()), ("OCF_CHECK_LEVEL", level)]);
        let actions = ["monitor", "start", "monitor", "stop"];
        compare_with(tools.path(), "nginx", &params, &actions, serving);
    }
    // A start would wait for this one until its time is up.
    let server = Call::ours("nginx").param("configfile", &config);
    server.must("start", 0);
    let failing = [("external_monitor30_cmd", "false"), ("OCF_CHECK_LEVEL", "30")];
    let params: Vec<_> = failing.into_iter().chain([("configfile", config.as_str())]).collect();
    compare_with(tools.path(), "nginx", &params, &["monitor"], serving);
    server.must("stop", 0);
}

fn apache(place: &Path, more: &str) -> String {
    let at = place.display();
    let text = format!(
        "ServerRoot /usr/lib/apache2\nServerName localhost\nPidFile {at}/pid\n\
         Listen 127.0.0.1:8081\nDefaultRuntimeDir {at}\nUser www-data\nGroup www-data\n\
         LoadModule mpm_event_module modules/mod_mpm_event.so\n\
         LoadModule authz_core_module modules/mod_authz_core.so\n\
         LoadModule status_module modules/mod_status.so\nErrorLog {at}/error\n\
         DocumentRoot {at}/www\n<Location /server-status>\nSetHandler server-status\n\
         </Location>\n{more}"
    );
    let file = place.join("apache.conf");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn apache_beside_the_original() {
    let place = place();
    let config = apache(place.path(), "");
    let tools = tempfile::tempdir().unwrap();
    let compare = |params: &[(&str, &str)], actions: &[&str]| {
        compare_with(tools.path(), "apache", params, actions, serving);
    };
    compare(&[("configfile", &config)], LIFE);
    let wrong = &["validate-all", "start", "monitor", "stop"];
    compare(&[("configfile", "/none")], wrong);
    let url = ("statusurl", "http://127.0.0.1:8081/server-status");
    compare(&[("configfile", &config), url], &["start", "monitor", "stop"]);
    let regex = ("testregex", "absent");
    compare(&[("configfile", &config), url, regex], &["start", "monitor", "stop"]);
}

fn apache_levels() {
    let place = place();
    let config = apache(place.path(), "");
    let page = ("testurl", "/server-status");
    let tools = tempfile::tempdir().unwrap();
    for params in [
        vec![],
        vec![page, ("testregex10", "apache")],
        vec![page, ("testregex10", "absent")],
        vec![("testconffile", "/none")],
    ] {
        let level = [("configfile", config.as_str()), ("OCF_CHECK_LEVEL", "10")];
        let params: Vec<_> = params.into_iter().chain(level).collect();
        let actions = ["monitor", "start", "monitor", "stop", "monitor"];
        compare_with(tools.path(), "apache", &params, &actions, serving);
    }
}

/// Kills the main process alone, and waits until it has gone.
fn kill_main(place: &Path) {
    let text = std::fs::read_to_string(place.join("pid")).unwrap();
    let main: i32 = text.trim().parse().unwrap();
    kill(Pid::from_raw(main), Signal::SIGKILL).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while std::fs::read_link(format!("/proc/{main}/exe")).is_ok() {
        assert!(Instant::now() < end, "SIGKILL ends a process");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn nginx_orphans() {
    let place = place();
    let config = nginx(place.path(), "");
    let server = Call::ours("nginx").param("configfile", &config);
    server.must("start", 0);
    kill_main(place.path());
    assert_eq!(serving(), ["serving: true"], "the workers go on");
    let answer = server.must("monitor", 1);
    assert!(answer.stderr.contains("main process has ended"), "{}", answer.stderr);
    server.must("stop", 0);
    assert_eq!(serving(), ["serving: false"]);
    server.must("monitor", 7);
    // And a start alone gets by with them.
    server.must("start", 0);
    kill_main(place.path());
    server.must("start", 0);
    server.must("monitor", 0);
    server.must("stop", 0);
}

/// Calls that must fail with this code and these words, and change nothing.
fn refuses(call: &Call, action: &str, code: i32, words: &str) {
    let answer = call.must(action, code);
    assert!(answer.stderr.contains(words), "{action}: {}", answer.stderr);
}

fn nginx_mistakes() {
    let place = place();
    let config = nginx(place.path(), "");
    let server = Call::ours("nginx").param("configfile", &config);
    server.must("validate-all", 0);
    let taken = TcpListener::bind("127.0.0.1:8081").unwrap();
    let holder = format!("process {}", std::process::id());
    refuses(&server, "validate-all", 2, &holder);
    refuses(&server, "start", 1, "listens on 127.0.0.1:8081 already");
    drop(taken);
    let call = Call::ours("nginx").param("configfile", &config).param("port", "many");
    refuses(&call, "validate-all", 6, "from 1 to 65535");
    let call = Call::ours("nginx").param("configfile", &config).param("test20regex", "(");
    refuses(&call.param("test20url", "/"), "validate-all", 6, "regular expression");
    std::fs::remove_dir(place.path().join("www")).unwrap();
    refuses(&server, "validate-all", 2, "document root");
    std::fs::create_dir(place.path().join("www")).unwrap();
    nginx(place.path(), "no_such_word on;");
    refuses(&server, "validate-all", 6, "no_such_word");
}

fn apache_mistakes() {
    let place = place();
    let config = apache(place.path(), "");
    let server = Call::ours("apache").param("configfile", &config);
    server.must("validate-all", 0);
    let taken = TcpListener::bind("127.0.0.1:8081").unwrap();
    refuses(&server, "validate-all", 2, "listens on 127.0.0.1:8081 already");
    drop(taken);
    server.must("start", 0);
    server.must("validate-all", 0);
    server.must("reload", 0);
    server.must("monitor", 0);
    server.must("stop", 0);
    assert_eq!(serving(), ["serving: false"]);
    std::fs::remove_dir(place.path().join("www")).unwrap();
    refuses(&server, "validate-all", 2, "document root");
    std::fs::create_dir(place.path().join("www")).unwrap();
    apache(place.path(), "NoSuchWord on\n");
    refuses(&server, "validate-all", 6, "NoSuchWord");
}
