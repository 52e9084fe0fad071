"use client";

import { useEffect, useEffectEvent, useState } from "react";
import type { View } from "../lib/view";
import { Icon } from "./icons";

const TYPING_PAUSE = 250;
const SHOW = { "": "All", pending: "Open", completed: "Completed" };
const PRIORITY = { "": "Any", high: "High", medium: "Medium", low: "Low" };
const SORT = {
  "": "Newest",
  due_date: "Due date",
  priority: "Priority",
  title: "Title",
  updated_at: "Last changed",
};

type Props = { view: View; onChange: (changes: Record<string, string>) => void };

/** What the list shows, and in which order. */
export function ViewForm({ view, onChange }: Props) {
  const inURL = view.search ?? "";
  const [search, setSearch] = useState(inURL);
  const [sent, setSent] = useState(inURL);
  const [known, setKnown] = useState(inURL);
  if (inURL !== known) {
    setKnown(inURL);
    // It comes from elsewhere, such as the way back, not from what was typed here a moment ago.
    if (inURL !== sent) [setSearch, setSent].forEach((set) => set(inURL));
  }
  const send = useEffectEvent(() => {
    setSent(search);
    onChange({ search });
  });
  useEffect(() => {
    if (search === sent) return;
    const timer = setTimeout(() => send(), TYPING_PAUSE);
    return () => clearTimeout(timer);
  }, [search, sent]);

  const choice = (label: string, name: "priority" | "sort", choices: object) => (
    <label>
      {label}
      <select
        value={view[name] ?? ""}
        onChange={({ target }) => onChange({ [name]: target.value })}
      >
        {Object.entries(choices).map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );

  return (
    <form role="search" className="view" onSubmit={(event) => event.preventDefault()}>
      <label className="wide search">
        <span className="hidden">Search</span>
        <Icon of="search" />
        <input type="search" placeholder="Search" value={search} onChange={({ target }) => setSearch(target.value)} />
      </label>
      <fieldset>
        <legend>Show</legend>
        {Object.entries(SHOW).map(([value, text]) => (
          <label key={value}>
            <input
              type="radio"
              name="filter"
              checked={(view.filter ?? "") === value}
              onChange={() => onChange({ filter: value })}
            />
            {text}
          </label>
        ))}
      </fieldset>
      {choice("Priority", "priority", PRIORITY)}
      {choice("Sort by", "sort", SORT)}
      {view.tag && (
        <button type="button" className="tag" onClick={() => onChange({ tag: "" })}>
          {view.tag} <span aria-hidden="true">×</span>
          <span className="hidden">: show tasks of every tag</span>
        </button>
      )}
    </form>
  );
}
