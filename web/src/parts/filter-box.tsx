// A box for MLflow's filter syntax: completes while one types, and shows the server's refusal where it was typed.
import { useMemo, useRef, useState } from "preact/hooks";
import type { Failure } from "../lib/api";
import { complete, type Name } from "../lib/complete";
import { Icon } from "./icon";

interface Props { value: string; onChange: (value: string) => void; names: Name[]; error?: Failure; label: string; placeholder: string }

export function FilterBox({ value, onChange, names, error, label, placeholder }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const [caret, setCaret] = useState<number>();
  const [at, setAt] = useState(-1);
  const offered = useMemo(() => (caret === undefined ? { from: 0, options: [] } : complete(value, caret, names)), [value, caret, names]);
  const refused = error?.status === 400 ? error : undefined;
  const follow = () => { setCaret(input.current?.selectionStart ?? undefined); setAt(-1); };
  const close = () => { setCaret(undefined); setAt(-1); };

  const accept = (option: string) => {
    const head = `${value.slice(0, offered.from)}${option} `;
    onChange(head + value.slice(caret ?? value.length).replace(/^[\w.]*\s*/, ""));
    // The caret moves once the new text is in the box.
    requestAnimationFrame(() => { input.current?.focus(); input.current?.setSelectionRange(head.length, head.length); follow(); });
  };
  const onKey = (event: KeyboardEvent) => {
    const count = offered.options.length;
    if (event.key === "Escape" && caret !== undefined) { event.preventDefault(); close(); return; }
    if (count === 0) return;
    const chosen = offered.options[at];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((at + (event.key === "ArrowDown" ? 1 : -1) + count + (at < 0 && event.key === "ArrowUp" ? 1 : 0)) % count);
    } else if (event.key === "Enter" && chosen) { event.preventDefault(); accept(chosen); }
    else if (event.key === "Enter") close();
    else if (event.key === "Tab" && !event.shiftKey && value && (chosen ?? offered.options[0])) { event.preventDefault(); accept(chosen ?? offered.options[0] ?? ""); }
  };
  return (
    <div class={`filter filter-box ${refused ? "invalid" : ""}`}>
      <Icon name="search" />
      <input
        ref={input} class="mono" value={value} placeholder={placeholder} aria-label={label} data-search spellcheck={false} autocomplete="off"
        role="combobox" aria-expanded={offered.options.length > 0} aria-controls="filter-options" aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `filter-option-${at}` : undefined} aria-invalid={refused !== undefined} aria-describedby={refused ? "filter-error" : undefined}
        onInput={(event) => { onChange(event.currentTarget.value); follow(); }} onFocus={follow} onClick={follow} onBlur={close}
        onKeyDown={onKey} onKeyUp={(event) => { if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) follow(); }}
      />
      <ul id="filter-options" role="listbox" aria-label="Completions" hidden={offered.options.length === 0}>
        {offered.options.map((option, i) => (
          <li key={option} id={`filter-option-${i}`} role="option" aria-selected={i === at} onMouseDown={(event) => { event.preventDefault(); accept(option); }}>{option}</li>
        ))}
      </ul>
      {refused && <p id="filter-error" class="filter-error" role="alert">{refused.message}</p>}
    </div>
  );
}
