"use client";

import { useEffect, useEffectEvent, useState } from "react";
import type { View } from "../lib/view";

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
  const [search, setSearch] = useState(view.search ?? "");
  const send = useEffectEvent(() => onChange({ search }));
  useEffect(() => {
    if (search === (view.search ?? "")) return;
    const timer = setTimeout(() => send(), TYPING_PAUSE);
    return () => clearTimeout(timer);
  }, [search, view.search]);

  const choice = (label: string, name: "filter" | "priority" | "sort", choices: object) => (
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
      <label className="wide">
        Search
        <input type="search" value={search} onChange={({ target }) => setSearch(target.value)} />
      </label>
      {choice("Show", "filter", SHOW)}
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
