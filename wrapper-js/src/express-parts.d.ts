declare module "express/lib/application.js" {
  const application: any;
  export default application;
}
declare module "express/lib/request.js" {
  const request: any;
  export default request;
}
declare module "express/lib/response.js" {
  const response: any;
  export default response;
}
declare module "qs";
declare module "mime-types";
