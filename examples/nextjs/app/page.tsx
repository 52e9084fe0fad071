// app/page.tsx
import { dehydrate, HydrationBoundary, QueryClient } from "@tanstack/react-query";
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { Suspense } from "react";
import { auth } from "../lib/auth";
import { listKey, narrowed, PAGE_SIZE, pagesOf, statsKey, viewOf } from "../lib/view";
import { OnlyFor } from "./session";
import { TaskList } from "./task-list";

type Props = { searchParams: Promise<Record<string, string | string[]>> };

export default function Page(props: Props) {
  return (
    <Suspense fallback={<p className="quiet">Loading your tasks…</p>}>
      <Tasks {...props} />
    </Suspense>
  );
}

async function Tasks({ searchParams }: Props) {
  const request = { headers: await headers() };
  const session = await auth.api.getSession(request);
  if (!session) redirect("/sign-in");
  const { id, name } = session.user;
  const parameters = new URLSearchParams(
    Object.entries(await searchParams).flatMap(([parameter, values]) =>
      [values].flat().map((value) => [parameter, value]),
    ),
  );
  const view = viewOf(parameters);

  async function read(path: string, query: Record<string, unknown>) {
    const { token } = await auth.api.getToken(request);
    const api = process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000";
    const given = Object.entries(query).filter(([, value]) => value) as [string, string][];
    const response = await fetch(
      `${api}/api/${encodeURIComponent(id)}/tasks${path}?${new URLSearchParams(given)}`,
      { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" },
    );
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response.json();
  }

  // What fails here is asked for again by the browser, which shows the error.
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  await Promise.all([
    queryClient.prefetchInfiniteQuery({
      queryKey: listKey(id, view),
      queryFn: ({ pageParam }) => read("", { ...view, limit: PAGE_SIZE, cursor: pageParam }),
      initialPageParam: "",
      getNextPageParam: (page) => page.next_cursor,
      pages: pagesOf(parameters),
    }),
    queryClient.prefetchQuery({
      queryKey: statsKey(id, view),
      queryFn: () => read("/stats", narrowed(view)),
    }),
  ]);

  return (
    <OnlyFor key={id} userId={id}>
      <HydrationBoundary state={dehydrate(queryClient)}>
        <TaskList userId={id} name={name} />
      </HydrationBoundary>
    </OnlyFor>
  );
}
