// app/page.tsx
import { dehydrate, HydrationBoundary, QueryClient } from "@tanstack/react-query";
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { Suspense } from "react";
import { auth } from "../lib/auth";
import { listKey, PAGE_SIZE, viewOf } from "../lib/view";
import { OnlyFor, SignOut } from "./session";
import { TaskList } from "./task-list";

type Props = { searchParams: Promise<Record<string, string>> };

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
  const parameters = new URLSearchParams(await searchParams);

  async function firstPage() {
    const { token } = await auth.api.getToken(request);
    const api = process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000";
    parameters.set("limit", String(PAGE_SIZE));
    const response = await fetch(`${api}/api/${encodeURIComponent(id)}/tasks?${parameters}`, {
      headers: { Authorization: `Bearer ${token}` },
      cache: "no-store",
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response.json();
  }

  // If it fails, the browser asks, and shows the error.
  const queryClient = new QueryClient();
  await queryClient.prefetchInfiniteQuery({
    queryKey: listKey(id, viewOf(parameters)),
    queryFn: firstPage,
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    retry: false,
  });

  return (
    <OnlyFor key={id} userId={id}>
      <header>
        <h1>Tasks of {name}</h1>
        <SignOut />
      </header>
      <HydrationBoundary state={dehydrate(queryClient)}>
        <TaskList userId={id} />
      </HydrationBoundary>
    </OnlyFor>
  );
}
