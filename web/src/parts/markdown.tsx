// Descriptions as people write them in MLflow: a small, safe part of Markdown, made of nodes and never of HTML.
import type { ComponentChildren, VNode } from "preact";

type Block =
  | { kind: "head"; level: number; text: string }
  | { kind: "list"; ordered: boolean; items: string[] }
  | { kind: "code" | "quote" | "text"; text: string }
  | { kind: "table"; rows: string[][] }
  | { kind: "rule" };

const BULLET = /^\s*[-*+]\s+/;
const NUMBER = /^\s*\d{1,9}[.)]\s+/;
const HEAD = /^(#{1,6})\s+(.*?)\s*#*$/;
const FENCE = /^\s*(```|~~~)/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

const starts = (line: string) => [BULLET, NUMBER, HEAD, FENCE, RULE, /^\s*>/].some((one) => one.test(line));
const cells = (line: string) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

/** The lines from `at` on for which `belongs` holds. */
function taken(lines: string[], at: number, belongs: (line: string) => boolean): string[] {
  const end = lines.findIndex((line, i) => i >= at && !belongs(line));
  return lines.slice(at, end < 0 ? lines.length : end);
}

export function blocksOf(text: string): Block[] {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const found: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const [block, used] = blockAt(lines, at);
    if (block) found.push(block);
    at += used;
  }
  return found;
}

function blockAt(lines: string[], at: number): [Block | undefined, number] {
  const line = lines[at] ?? "";
  if (!line.trim()) return [undefined, 1];
  const fence = FENCE.exec(line)?.[1];
  if (fence) {
    const inside = taken(lines, at + 1, (one) => !one.trim().startsWith(fence));
    return [{ kind: "code", text: inside.join("\n") }, inside.length + 2];
  }
  const head = HEAD.exec(line);
  if (head) return [{ kind: "head", level: head[1]?.length ?? 1, text: head[2] ?? "" }, 1];
  if (RULE.test(line)) return [{ kind: "rule" }, 1];
  if (/^\s*>/.test(line)) {
    const inside = taken(lines, at, (one) => /^\s*>/.test(one));
    return [{ kind: "quote", text: inside.map((one) => one.replace(/^\s*>\s?/, "")).join("\n") }, inside.length];
  }
  const mark = [BULLET, NUMBER].find((one) => one.test(line));
  if (mark) return list(lines, at, mark);
  if (line.includes("|") && TABLE_RULE.test(lines[at + 1] ?? "") && (lines[at + 1] ?? "").includes("-")) {
    const rows = taken(lines, at, (one) => one.includes("|"));
    return [{ kind: "table", rows: rows.filter((_, i) => i !== 1).map(cells) }, rows.length];
  }
  const inside = [line, ...taken(lines, at + 1, (one) => one.trim() !== "" && !starts(one))];
  return [{ kind: "text", text: inside.join("\n") }, inside.length];
}

function list(lines: string[], at: number, mark: RegExp): [Block, number] {
  const inside = taken(lines, at, (one) => mark.test(one) || (one.trim() !== "" && !starts(one)));
  const items: string[] = [];
  for (const one of inside) {
    if (mark.test(one)) items.push(one.replace(mark, ""));
    else items.push(`${items.pop() ?? ""} ${one.trim()}`);
  }
  return [{ kind: "list", ordered: mark === NUMBER, items }, inside.length];
}

/** Code first, for nothing is marked up inside it; then links, bold, italics and bare addresses. */
const INLINE = /(`+)(.+?)\1|!?\[([^\]\n]*)\]\(([^)\s]+)(?:\s+"[^"]*")?\)|(\*\*|__)(?=\S)(.+?)\5|(\*|_)(?=\S)(.+?)\7(?!\w)|~~(.+?)~~|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?'"])/;
/** Only addresses that lead to a page or a mailbox: no script hides in one. */
const SAFE = /^(https?:|mailto:|\/(?!\/)|#)/i;

function inline(text: string): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let rest = text;
  for (let found = INLINE.exec(rest); found; found = INLINE.exec(rest)) {
    const before = rest.slice(0, found.index);
    // An underscore within a word is part of it.
    const inWord = found[7] === "_" && /\w$/.test(before);
    if (before) out.push(before);
    out.push(inWord ? found[0] : marked(found));
    rest = rest.slice(found.index + found[0].length);
  }
  return rest ? [...out, rest] : out;
}

function marked([whole, tick, code, label, href, , bold, , slanted, struck, bare]: RegExpExecArray): ComponentChildren {
  if (tick && code !== undefined) return <code>{code}</code>;
  if (href !== undefined) return SAFE.test(href) ? <a href={href} rel="noreferrer">{label || href}</a> : whole;
  if (bold !== undefined) return <b>{inline(bold)}</b>;
  if (slanted !== undefined) return <i>{inline(slanted)}</i>;
  if (struck !== undefined) return <s>{inline(struck)}</s>;
  return <a href={bare} rel="noreferrer">{bare}</a>;
}

/** A single new line stays one, as MLflow's own screens have it. */
const withBreaks = (text: string) => text.split("\n").flatMap((line, i) => (i === 0 ? inline(line) : [<br />, ...inline(line)]));

function drawn(block: Block, key: number): VNode {
  switch (block.kind) {
    case "head": return block.level <= 2 ? <h3 key={key}>{inline(block.text)}</h3> : <h4 key={key}>{inline(block.text)}</h4>;
    case "code": return <pre key={key} tabIndex={0}><code>{block.text}</code></pre>;
    case "quote": return <blockquote key={key}>{withBreaks(block.text)}</blockquote>;
    case "rule": return <hr key={key} />;
    case "list": {
      const items = block.items.map((item, i) => <li key={i}>{inline(item)}</li>);
      return block.ordered ? <ol key={key}>{items}</ol> : <ul key={key}>{items}</ul>;
    }
    case "table": {
      const [head = [], ...rows] = block.rows;
      return <div key={key} class="table-wrap" tabIndex={0} role="region" aria-label="Table"><table><thead><tr>{head.map((cell, i) => <th key={i} scope="col">{inline(cell)}</th>)}</tr></thead><tbody>{rows.map((row, r) => <tr key={r}>{head.map((_, i) => <td key={i}>{inline(row[i] ?? "")}</td>)}</tr>)}</tbody></table></div>;
    }
    default: return <p key={key}>{withBreaks(block.text)}</p>;
  }
}

export function Markdown({ text }: { text: string }) {
  return <div class="markdown">{blocksOf(text).map(drawn)}</div>;
}

/** The same for a line in a table: words without their marks. */
export const plain = (text: string) => text.replace(/^\s*(#{1,6}|[-*+>])\s+/gm, "").replace(/(\*\*|__|`|~~)/g, "").replace(/!?\[([^\]\n]*)\]\([^)\s]+\)/g, "$1").replace(/\s+/g, " ").trim();
