//! Dumps as `pg_dump` writes them, and as they must not be.

use super::*;

const COPY: &str = r#"--
-- PostgreSQL database dump
--

\restrict abc

SET client_encoding = 'UTF8';

/* a comment; with /* another ; in it */
over two lines */
CREATE FUNCTION public.f() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
BEGIN
    IF NEW.a = ';' THEN RAISE EXCEPTION 'it''s; $1'; END IF;
END;
$_$;

CREATE TABLE public.metrics (
    key character varying(250) NOT NULL,
    value double precision NOT NULL,
    "timestamp" bigint DEFAULT '0'::bigint,
    is_nan boolean DEFAULT false NOT NULL,
    "odd ""name"", (x" numeric(10,2),
    CONSTRAINT c CHECK (((key)::text = ANY ((ARRAY['a;b'::character varying, '('::character varying])::text[])))
);

COMMENT ON TABLE public.metrics IS 'E''s; table';

COPY public.metrics (key, value, "timestamp", is_nan, "odd ""name"", (x") FROM stdin;
a\tb\\N\n	0.5	-3	f	\N
\N	1e300	7	t	\\.
ü\x41\101\q		7	t	x
\.

COPY public.unknown (a) FROM stdin;
CREATE TABLE metrics (x integer);
\.

SELECT pg_catalog.setval('public.seq', 1, true);

--
-- PostgreSQL database dump complete
--

\unrestrict abc
"#;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// All that a dump says of table `metrics`, or why it cannot be read.
fn said(dump: &str) -> Result<Vec<Said>, Failure> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.sql");
    fs::write(&path, dump).expect("it is written");
    let (mut dump, mut found) = (Dump::open(&path)?, Vec::new());
    while let Some(said) = dump.next(|table| table == "metrics")? {
        found.push(said);
    }
    Ok(found)
}

fn refusal(dump: &str) -> String {
    let failure = said(dump).expect_err("it is refused");
    failure.message.split_once("dump.sql, ").expect("the file is named").1.to_owned()
}

#[test]
fn a_block_of_copy_gives_columns_types_and_unescaped_values() {
    let odd = "odd \"name\", (x";
    let columns: Vec<_> = ["key", "value", "timestamp", "is_nan", odd].map(str::to_owned).into();
    let types = [Type::Text, Type::Real, Type::Integer, Type::Boolean, Type::Real];
    let table = Said::Table {
        schema: "public".into(),
        table: "metrics".into(),
        columns: columns.iter().cloned().zip(types).collect(),
    };
    let rows = [
        [text("a\tb\\N\n"), text("0.5"), text("-3"), text("f"), None],
        [None, text("1e300"), text("7"), text("t"), text("\\.")],
        [text("üAAq"), text(""), text("7"), text("t"), text("x")],
    ];
    let mut wanted = vec![table, Said::Into { table: "metrics".into(), columns }];
    wanted.extend(rows.map(|row| Said::Row(row.into())));
    assert_eq!(said(COPY).expect("it is read"), wanted);
}

#[test]
fn inserts_give_the_same_rows() {
    let dump = "INSERT INTO public.other VALUES ('x');\n\
                INSERT INTO public.metrics VALUES ('it''s; (a\nb)', -1.5e+300, NULL, true, DEFAULT);\n\
                INSERT INTO \"metrics\" (key, \"value\") OVERRIDING SYSTEM VALUE VALUES (E'a\\tb\\'', 'NaN'),\n\
                \t('c', -2) ON CONFLICT DO NOTHING;\n\
                -- PostgreSQL database dump complete\n";
    let into = |columns: &[&str]| Said::Into {
        table: "metrics".into(),
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
    };
    let wanted = [
        into(&[]),
        Said::Row(vec![text("it's; (a\nb)"), text("-1.5e+300"), None, text("true"), None]),
        into(&["key", "value"]),
        Said::Row(vec![text("a\tb'"), text("NaN")]),
        Said::Row(vec![text("c"), text("-2")]),
    ];
    assert_eq!(said(dump).expect("it is read"), wanted);
}

#[test]
fn a_dump_that_is_cut_off_is_told_wherever_it_was_cut() {
    let whole = COPY.find("-- PostgreSQL database dump complete").expect("its end") + END.len();
    assert!(said(&COPY[..whole]).is_ok());
    let cuts = COPY.char_indices().map(|(at, _)| at).filter(|at| (1..whole).contains(at)).step_by(3);
    for at in cuts {
        let message = refusal(&COPY[..at]);
        // A line of a row that was cut lacks columns, or reads as a whole one before the missing end.
        assert!(message.contains("cut off") || message.contains("columns where 5"), "{at}: {message}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let line = 1 + COPY.lines().position(|line| line.starts_with("\\N")).expect("the second row");
    let short = COPY.replace("\\N\t1e300", "\\N");
    assert_eq!(
        refusal(&short),
        format!("line {line}: a row of table metrics has 4 columns where 5 were expected")
    );
    let unnamed = COPY.replace(
        "COPY public.metrics (key, value, \"timestamp\", is_nan, \"odd \"\"name\"\", (x\")",
        "COPY public.metrics",
    );
    assert!(refusal(&unnamed).contains("without the names of columns"));
    let end = COPY[..COPY.find("\\.\n\nCOPY").expect("the first end")].to_owned();
    let lines = end.lines().count();
    assert!(
        refusal(&end).starts_with(&format!("line {lines}: the dump is cut off: the rows of table metrics"))
    );
}

#[test]
fn a_text_that_is_not_utf8_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.sql");
    fs::write(&path, b"SET x = 1;\nSET y = '\xe4';\n").expect("it is written");
    let failure = Dump::open(&path).and_then(|mut dump| dump.next(|_| true)).expect_err("it is refused");
    assert!(failure.message.ends_with("line 2: this is not UTF-8"), "{}", failure.message);
}

#[test]
fn other_forms_of_dumps_are_refused_with_what_to_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump");
    let told = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("it is written");
        is_dump(&path).map_err(|failure| failure.hint.unwrap_or_default())
    };
    assert_eq!(told(COPY.as_bytes()).ok(), Some(true));
    assert_eq!(told(b"SQLite format 3\0").ok(), Some(false));
    assert_eq!(told(b"").ok(), Some(false));
    for (bytes, wanted) in [
        (&b"PGDMP\x01"[..], "pg_restore -f dump.sql"),
        (b"toc.dat\0\0", "pg_restore -f dump.sql"),
        (b"\x1f\x8b\x08", "gunzip"),
        (b"\x28\xb5\x2f\xfd", "zstd -d"),
        (b"--\n-- PostgreSQL database cluster dump\n", "pg_dump -f dump.sql DATABASE"),
    ] {
        assert!(told(bytes).expect_err("it is refused").contains(wanted), "{wanted}");
    }
}
