// SPDX-License-Identifier: Apache-2.0
(function () {
  'use strict';

  var launch = 'horizon.dashboard.project.workflow.launch-instance';
  // A module that is not there would end all of Horizon, and the Project
  // dashboard may be switched off.
  var isThere = isModule(launch);

  /**
   * @ngdoc overview
   * @name dcn.launch-instance
   * @description
   * The step "Site" of Launch Instance: it chooses an availability zone.
   *
   * The workflow of Launch Instance is extensible, see "Extending an AngularJS
   * Workflow" in the documentation of Horizon. The step is added when somebody
   * needs the workflow and not before: to make it asks for policies, and on
   * the page of the login the answer 401 loads that page again, for ever.
   */
  angular
    .module('dcn.launch-instance', isThere ? [launch] : [])
    .config(extend);

  extend.$inject = ['$provide', '$windowProvider'];

  function extend($provide, $windowProvider) {
    var path = $windowProvider.$get().STATIC_URL + 'dcn/launch-instance/';
    $provide.constant('dcn.launch-instance.basePath', path);
    if (isThere) {
      $provide.decorator(launch + '.workflow', addStep);
    }
  }

  addStep.$inject = ['$delegate', 'dcn.launch-instance.basePath'];

  function addStep(workflow, basePath) {
    var step = {
      id: 'dcn-site',
      title: gettext('Site'),
      templateUrl: basePath + 'site.html',
      helpUrl: basePath + 'site.help.html',
      formName: 'launchInstanceDcnSiteForm'
    };
    if (workflow.steps.some(function (one) { return one.id === 'details'; })) {
      workflow.after('details', step);
    } else {
      workflow.prepend(step);
    }
    return workflow;
  }

  function isModule(name) {
    try {
      angular.module(name);
      return true;
    } catch (error) {
      return false;
    }
  }

})();
