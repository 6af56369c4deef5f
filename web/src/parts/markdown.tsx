// Descriptions as people write them in MLflow: Markdown read by marked and made into nodes, never into HTML.
import { Lexer, type MarkedToken, type Token, type Tokens } from "marked";
import type { ComponentChildren } from "preact";

/** A single new line stays one, as MLflow's own screens have it. */
const READ = { gfm: true, breaks: true };
/** Only addresses that lead to a page or a mailbox: no script hides in one. */
const SAFE = /^(https?:|mailto:|\/(?!\/)|#)/i;

/** What is too deeply nested to be read is a paragraph, as it was written. */
function tokensOf(text: string): Token[] {
  try {
    return new Lexer(READ).lex(text);
  } catch {
    return [{ type: "paragraph", raw: text, text, tokens: [{ type: "text", raw: text, text }] }];
  }
}

const within = (token: Token) => ("tokens" in token && token.tokens ? drawn(token.tokens) : []);
const drawn = (tokens: Token[]): ComponentChildren[] => tokens.map((token) => one(token as MarkedToken));

/** A page in a description leads nowhere else than it says, and brings no picture from outside. */
function link({ href, raw, text, ...token }: Tokens.Link | Tokens.Image): ComponentChildren {
  if (!SAFE.test(href)) return raw;
  return <a href={href} rel="noreferrer">{token.type === "link" ? drawn(token.tokens) : text || href}</a>;
}

function list({ ordered, start, items }: Tokens.List): ComponentChildren {
  const lines = items.map((item) => <li>{drawn(item.tokens)}</li>);
  return ordered ? <ol start={start || 1}>{lines}</ol> : <ul>{lines}</ul>;
}

function table({ header, rows }: Tokens.Table): ComponentChildren {
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead><tr>{header.map((cell) => <th scope="col">{drawn(cell.tokens)}</th>)}</tr></thead>
        <tbody>{rows.map((row) => <tr>{row.map((cell) => <td>{drawn(cell.tokens)}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

function one(token: MarkedToken): ComponentChildren {
  switch (token.type) {
    case "heading": return token.depth <= 2 ? <h3>{within(token)}</h3> : <h4>{within(token)}</h4>;
    case "paragraph": return <p>{within(token)}</p>;
    case "blockquote": return <blockquote>{within(token)}</blockquote>;
    case "code": return <pre tabIndex={0}><code>{token.text}</code></pre>;
    case "hr": return <hr />;
    case "list": return list(token);
    case "table": return table(token);
    case "link":
    case "image": return link(token);
    case "strong": return <b>{within(token)}</b>;
    case "em": return <i>{within(token)}</i>;
    case "del": return <s>{within(token)}</s>;
    case "codespan": return <code>{token.text}</code>;
    case "checkbox": return <input type="checkbox" disabled checked={token.checked} aria-label={token.checked ? "Done" : "To do"} />;
    case "br": return <br />;
    case "text": return token.tokens ? drawn(token.tokens) : token.text;
    case "escape": return token.text;
    case "html": return token.raw;
    default: return null;
  }
}

export function Markdown({ text }: { text: string }) {
  return <div class="markdown">{drawn(tokensOf(text))}</div>;
}

/** The same for a line in a table: words without their marks. */
export const plain = (text: string) => tokensOf(text).map(words).join(" ").replace(/\s+/g, " ").trim();

function words(token: Token): string {
  const known = token as MarkedToken;
  switch (known.type) {
    case "list": return known.items.map(words).join(" ");
    case "table": return [known.header, ...known.rows].flat().map((cell) => cell.tokens.map(words).join("")).join(" ");
    case "hr":
    case "def":
    case "checkbox": return "";
    case "space":
    case "br": return " ";
    default: return "tokens" in known && known.tokens ? known.tokens.map(words).join("") : "text" in known ? known.text : "";
  }
}
