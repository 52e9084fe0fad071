"use client";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { ApiError } from "../lib/api";

// Without a network, a request fails and says so, in place of waiting without a word. What fails
// is shown, with a button to try again; what is no refusal is a mistake of ours.
const all = {
  networkMode: "always",
  retry: false,
  throwOnError: (error: Error) => !(error instanceof ApiError),
} as const;

export function Providers({ children }: { children: ReactNode }) {
  // What the server has just read is not read again.
  const queries = { ...all, staleTime: 10_000, refetchOnReconnect: true };
  const [queryClient] = useState(
    () => new QueryClient({ defaultOptions: { queries, mutations: all } }),
  );
  return <QueryClientProvider client={queryClient}>{children}</QueryClientProvider>;
}
