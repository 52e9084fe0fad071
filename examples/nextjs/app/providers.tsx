"use client";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";

export function Providers({ children }: { children: ReactNode }) {
  // What the server has just read is not read again; a refusal is shown, with a button to try again.
  const options = { defaultOptions: { queries: { staleTime: 10_000, retry: false } } };
  const [queryClient] = useState(() => new QueryClient(options));
  return <QueryClientProvider client={queryClient}>{children}</QueryClientProvider>;
}
