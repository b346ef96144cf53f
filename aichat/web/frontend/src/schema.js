// The page of the API: Swagger UI, which asks nobody but us.
import SwaggerUI from "swagger-ui-dist/swagger-ui-bundle.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const { theme } = document.documentElement.dataset;
const isDark = () => theme === "dark" || (theme === "system" && dark.matches);
const follow = () => document.documentElement.classList.toggle("dark-mode", isDark());
dark.addEventListener("change", follow);
follow();

const { document: url } = document.body.dataset;

SwaggerUI({
  url,
  domNode: document.getElementById("schema"),
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null, // it would send the document's address to swagger.io
});
