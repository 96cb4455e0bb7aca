//! What templates print. The expected texts were printed by promtool from the same templates.

use proptest::prelude::*;
use watchward::judge::template::{Data, TEXT_BYTES_MAX, Template};
use watchward::model::labels::Labels;

fn render(text: &str) -> Result<String, String> {
    let labels = Labels::new([("__name__", "m"), ("instance", "db1:5432"), ("job", "db")]);
    let external_labels = Labels::new([("cluster", "c1")]);
    let data = Data { labels: &labels, value: 12.3456, external_labels: &external_labels, external_url: "" };
    Template::read(text).map_err(|error| error.to_string())?.render(&data)
}

#[test]
fn templates_print_what_prometheus_prints() {
    for (text, expected) in PROMTOOL {
        assert_eq!(render(text).as_deref(), Ok(*expected), "{text}");
    }
}

/// Checked at load: place and words of each fault.
#[test]
fn faults_are_found_when_a_template_is_read() {
    for (text, expected) in [
        ("{{ nothing $value }}", "1:4: function 'nothing' is not defined"),
        ("a\nb {{ $lables.x }}", "2:6: undefined variable '$lables'"),
        ("{{ .Lables.x }}", "1:4: unknown field '.Lables'; there are .Labels, .ExternalLabels, .ExternalURL, .Value"),
        ("{{ $value", "1:1: unclosed action: '{{' without '}}'"),
        ("{{ \"x }}", "1:4: unclosed '\"'"),
        ("{{ if $value }}x", "1:4: 'if' without 'end'"),
        ("x {{ end }}", "1:3: 'end' without 'if', 'with' or 'range'"),
        ("{{ else }}", "1:1: 'else' without 'if', 'with' or 'range'"),
        ("{{ if true }}a{{ else }}b{{ else }}c{{ end }}", "1:26: a second 'else'"),
        ("{{ humanize }}", "1:4: function 'humanize' wants 1 argument and has 0"),
        ("{{ reReplaceAll \"a\" \"b\" }}", "1:4: function 'reReplaceAll' wants 3 arguments and has 2"),
        ("{{ query \"up\" | first }}", "1:4: function 'query' belongs to queries, which templates here cannot make"),
        ("{{ $value | 5 }}", "1:13: only a function can stand behind '|'"),
        ("{{ $value 5 }}", "1:4: only a function can have arguments"),
        ("{{ }}", "1:1: missing value in an action"),
        ("{{ (1 }}", "1:4: '(' without ')'"),
        ("{{ template \"x\" }}", "1:1: 'template' is not known in templates here"),
        ("{{ 1x }}", "1:4: '1x' is not a number"),
        ("{{ # }}", "1:4: unexpected '#' in an action"),
    ] {
        let error = Template::read(text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

/// An alert with an ugly annotation is worth more than none.
#[test]
fn what_cannot_be_rendered_says_why_in_its_place() {
    let labels = Labels::empty();
    let data = Data { labels: &labels, value: 1.0, external_labels: &labels, external_url: "" };
    let template = Template::read("{{ \"x\" | humanize }}").unwrap();
    assert_eq!(
        template.render_or_say_why(&data),
        "<error expanding template: error calling humanize: 'x' is not a number>"
    );
}

#[test]
fn output_is_bounded() {
    let long = "x".repeat(TEXT_BYTES_MAX);
    assert!(Template::read(&format!("{long}x")).is_err());
    let doubling = "{{ $x := \"aaaaaaaaaaaaaaaa\" }}".to_string() + &"{{ $x = print $x $x }}".repeat(40) + "{{ $x }}";
    assert_eq!(render(&doubling), Err("print made a text longer than 16384 bytes".to_string()));
    let nested = "{{ range $labels }}".repeat(15) + "x" + &"{{ end }}".repeat(15);
    assert_eq!(render(&nested), Err("more than 10000 steps".to_string()));
    let deep = "{{ if true }}".repeat(21) + &"{{ end }}".repeat(21);
    assert!(Template::read(&deep).unwrap_err().what.contains("nested deeper than 20"));
    let parentheses = format!("{{{{ {}1{} }}}}", "(".repeat(10_000 / 2), ")".repeat(10_000 / 2));
    assert!(Template::read(&parentheses).is_err());
}

/// Texts made of the pieces of which templates are made reach further than random ones.
fn template_like() -> impl Strategy<Value = String> {
    let pieces = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "$labels",
        "$value",
        ".",
        ".Labels",
        ".x",
        "|",
        "(",
        ")",
        "if ",
        "else",
        "end",
        "with ",
        "range ",
        "$x",
        ":=",
        "=",
        ",",
        "\"a\"",
        "\"%s%5.2f\"",
        "`",
        "printf ",
        "humanize ",
        "1",
        "-1.5e3",
        "eq ",
        "reReplaceAll ",
        "\"(.*)\"",
        "\"$1$1\"",
        "/*",
        "*/",
        "é",
        "\\",
        "true ",
        "nil",
        "\n",
    ];
    let one = prop_oneof![8 => prop::sample::select(pieces.to_vec()).prop_map(str::to_string), 1 => any::<String>()];
    prop::collection::vec(one, 0..40).prop_map(|all| all.concat())
}

proptest! {
    #[test]
    fn no_text_makes_a_template_panic(text in template_like(), value in any::<f64>(), label in any::<String>()) {
        let labels = Labels::new([("x".to_string(), label)]);
        let data = Data { labels: &labels, value, external_labels: &labels, external_url: "u" };
        if let Ok(template) = Template::read(&text)
            && let Ok(rendered) = template.render(&data)
        {
            prop_assert!(rendered.len() <= TEXT_BYTES_MAX);
        }
    }

    #[test]
    fn text_without_actions_stays_as_it_is(text in "[^{]{0,200}") {
        prop_assert_eq!(render(&text), Ok(text));
    }

    #[test]
    fn printf_never_panics(format in "[%a-z0-9.+ -]{0,12}", value in any::<f64>(), whole in any::<i64>()) {
        let text = format!("{{{{ printf \"{format}\" {value:e} {whole} $labels \"é\" }}}}");
        let _ = render(&text);
    }
}

const PROMTOOL: &[(&str, &str)] = &[
    (r#"plain text"#, "plain text"),
    (r#"{{ $labels.instance }} is down"#, "db1:5432 is down"),
    (r#"{{ $value }}"#, "12.3456"),
    (r#"{{ .Value }}"#, "12.3456"),
    (r#"{{.Labels.instance}}"#, "db1:5432"),
    (r#"{{ $labels }}"#, "map[__name__:m instance:db1:5432 job:db]"),
    (r#"{{ $labels.nothing }}|"#, "|"),
    (r#"{{ $externalLabels.cluster }}|{{ .ExternalLabels }}"#, "c1|map[cluster:c1]"),
    (r#"{{ $value | humanize }}"#, "12.35"),
    (r#"{{ 0.00123 | humanize }}"#, "1.23m"),
    (r#"{{ 1234567.0 | humanize }}"#, "1.235M"),
    (r#"{{ 0.0 | humanize }}"#, "0"),
    (r#"{{ -1234.5 | humanize }}"#, "-1.234k"),
    (r#"{{ 1048576.0 | humanize1024 }}"#, "1Mi"),
    (r#"{{ 1536.0 | humanize1024 }}"#, "1.5ki"),
    (r#"{{ 0.5 | humanize1024 }}"#, "0.5"),
    (r#"{{ 3661.0 | humanizeDuration }}"#, "1h 1m 1s"),
    (r#"{{ 93784.7 | humanizeDuration }}"#, "1d 2h 3m 4s"),
    (r#"{{ 59.99 | humanizeDuration }}"#, "59.99s"),
    (r#"{{ 0.0021 | humanizeDuration }}"#, "2.1ms"),
    (r#"{{ -75.0 | humanizeDuration }}"#, "-1m 15s"),
    (r#"{{ 0.0 | humanizeDuration }}"#, "0s"),
    (r#"{{ 0.123456 | humanizePercentage }}"#, "12.35%"),
    (r#"{{ 1435065584.128 | humanizeTimestamp }}"#, "2015-06-23 13:19:44.128 +0000 UTC"),
    (r#"{{ 1435065584.0 | humanizeTimestamp }}"#, "2015-06-23 13:19:44 +0000 UTC"),
    (r#"{{ "12.5" | humanize }}"#, "12.5"),
    (r#"{{ printf "%.2f" $value }}"#, "12.35"),
    (r#"{{ printf "%.0f" $value }}"#, "12"),
    (r#"{{ $value | printf "%.1f%%" }}"#, "12.3%"),
    (r#"{{ printf "%s has %v" $labels.instance $value }}"#, "db1:5432 has 12.3456"),
    (r#"{{ printf "%d" $value }}"#, "%!d(float64=12.3456)"),
    (r#"{{ printf "%8.2f|%-8.2f|%08.2f|%+.1f" $value $value $value $value }}"#, "   12.35|12.35   |00012.35|+12.3"),
    (r#"{{ printf "%e %g %g" $value 1000000.0 1e21 }}"#, "1.234560e+01 1e+06 1e+21"),
    (r#"{{ printf "%q %x" "a\"b" "hi" }}"#, "\"a\\\"b\" 6869"),
    (r#"{{ printf "%s" }}"#, "%!s(MISSING)"),
    (r#"{{ printf "%d %s" 5 "x" "y" }}"#, "5 x%!(EXTRA string=y)"),
    (r#"{{ printf "%5d|%-5d|%05d" 42 42 42 }}"#, "   42|42   |00042"),
    (r#"{{ printf "%t" true }}"#, "true"),
    (
        r#"{{ 1e21 }} {{ 1e20 }} {{ 0.0001 }} {{ 0.00001 }} {{ 100.0 }} {{ 1.5e3 }}"#,
        "1e+21 1e+20 0.0001 1e-05 100 1500",
    ),
    (r#"{{ if eq $labels.job "db" }}db{{ else }}other{{ end }}"#, "db"),
    (r#"{{ if ne $labels.job "db" }}db{{ else if eq $labels.job "db" }}second{{ else }}third{{ end }}"#, "second"),
    (r#"{{ if gt $value 100.0 }}high{{ end }}{{ if lt $value 100.0 }}low{{ end }}"#, "low"),
    (r#"{{ if and $labels.job $labels.nothing }}both{{ else }}not both{{ end }}"#, "not both"),
    (r#"{{ if or $labels.nothing $labels.job }}one{{ end }}"#, "one"),
    (r#"{{ if not $labels.nothing }}none{{ end }}"#, "none"),
    (r#"{{ with $labels.job }}job {{ . }}{{ else }}no job{{ end }}"#, "job db"),
    (r#"{{ with $labels.nothing }}job {{ . }}{{ else }}no job{{ end }}"#, "no job"),
    (r#"{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}"#, "__name__=m;instance=db1:5432;job=db;"),
    (r#"{{ range .Labels }}{{ . }},{{ end }}"#, "m,db1:5432,db,"),
    (r#"{{ $x := $labels.job }}{{ $x | toUpper }}"#, "DB"),
    (r#"{{ $x := "a" }}{{ if true }}{{ $x = "b" }}{{ end }}{{ $x }}"#, "b"),
    (r#"a {{- /* comment */ -}} b"#, "ab"),
    (r#"a  {{- " b " -}}  c"#, "a b c"),
    (r#"{{ "raw" }} {{ `back\n` }} {{ "tab\tx" }}"#, "raw back\\n tab\tx"),
    (r#"{{ $labels.instance | reReplaceAll ":\\d+" "" }}"#, "db1"),
    (r#"{{ reReplaceAll "(.*):(.*)" "$2-$1" $labels.instance }}"#, "5432-db1"),
    (r#"{{ if match "^db[0-9]+" $labels.instance }}yes{{ end }}"#, "yes"),
    (r#"{{ "hello wORLD" | title }} {{ "ABC" | toLower }}"#, "Hello WORLD abc"),
    (r#"{{ stripPort "db1:5432" }} {{ stripPort "db1" }} {{ stripPort "[::1]:99" }}"#, "db1 db1 ::1"),
    (
        r#"{{ stripDomain "db1.example.org:5432" }} {{ stripDomain "db1.example.org" }} {{ stripDomain "10.0.0.1:5" }}"#,
        "db1:5432 db1 10.0.0.1:5",
    ),
    (r#"{{ len $labels.job }} {{ len "abc" }}"#, "2 3"),
    (r#"{{ index $labels "job" }}"#, "db"),
    (r#"{{ print "a" "b" 1 2 "c" }} {{ print 1 2 }}"#, "ab1 2c 1 2"),
    (r#"{{ println "a" 1 }}|"#, "a 1\n|"),
    (r#"{{ html "<a href=\"x\">&'</a>" }}"#, "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;"),
    (r#"{{ urlquery "a b&c=d/é" }}"#, "a+b%26c%3Dd%2F%C3%A9"),
    (r#"{{ parseDuration "1h30m" }}"#, "5400"),
    (r#"{{ (printf "%s-%s" "a" "b") | toUpper }}"#, "A-B"),
    (r#"{{ eq "a" "b" "a" }} {{ le 1 2 }} {{ ge 2.5 2.5 }}"#, "true true true"),
    (
        r#"{{ graphLink "up{job=\"x\"}" }} {{ tableLink "up" }}"#,
        "/graph?g0.expr=up%7Bjob%3D%22x%22%7D&g0.tab=0 /graph?g0.expr=up&g0.tab=1",
    ),
    (r#"{{ true }} {{ 42 }} {{ -3 }}"#, "true 42 -3"),
    (r#"{{ $value | humanize | printf "%10s" }}"#, "     12.35"),
    (r#"{{ .ExternalURL }}|"#, "|"),
    (r#"{{ printf "%v %v" 1.0 2 }} {{ printf "%6.2f%%" 12.345 }}"#, "1 2  12.35%"),
    (r#"{{ printf "%.3s" "abcdef" }}"#, "abc"),
    (
        r#"{{ 123456.0 }} {{ 1234567.0 }} {{ 100000.0 }} {{ 1000000.0 }} {{ 123456.78 }} {{ 1234567.8 }} {{ 21.0 }} {{ -0.5 }}"#,
        "123456 1.234567e+06 100000 1e+06 123456.78 1.2345678e+06 21 -0.5",
    ),
    (r#"{{ printf "%c" "x" }} {{ printf "%" }}"#, "%!c(string=x) %!(NOVERB)"),
];
