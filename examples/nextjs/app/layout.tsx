import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import { Logo } from "./icons";
import { Providers } from "./providers";
import "./globals.css";

export const metadata: Metadata = { title: "Tasks", description: "What is to be done." };
export const viewport: Viewport = {
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#f7f6f3" },
    { media: "(prefers-color-scheme: dark)", color: "#131517" },
  ],
};

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <header>
          <Logo /> Tasks
        </header>
        <Providers>
          <main>{children}</main>
        </Providers>
      </body>
    </html>
  );
}
