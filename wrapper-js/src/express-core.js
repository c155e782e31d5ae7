export { default as application } from "express/lib/application.js";
export { default as request } from "express/lib/request.js";
export { default as response } from "express/lib/response.js";
