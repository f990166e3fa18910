// SPDX-License-Identifier: Apache-2.0
(function () {
  'use strict';

  angular
    .module('dcn.launch-instance')
    .controller('dcn.launch-instance.SiteController', SiteController);

  SiteController.$inject = ['$scope', 'horizon.framework.util.http.service'];

  /**
   * @ngdoc controller
   * @name dcn.launch-instance.SiteController
   * @description
   * Offers sites, and makes the chosen one the availability zone of the new
   * server. Whatever the step "Details" chooses afterwards holds.
   */
  function SiteController($scope, http) {
    var ctrl = this;
    ctrl.isLoading = true;
    ctrl.problem = '';
    ctrl.sites = [];
    ctrl.chosen = null;
    ctrl.choose = choose;

    http.get('/api/dcn/sites/').then(onSites, onError).finally(onEnd);
    $scope.$watch('model.newInstanceSpec.availability_zone', follow);

    function onSites(answer) {
      ctrl.problem = answer.data.problem;
      ctrl.sites = listed(answer.data.items, answer.data.is_grouped);
      follow($scope.model.newInstanceSpec.availability_zone);
    }

    function onError() {
      ctrl.problem = gettext('Which sites there are is not known.');
    }

    function onEnd() {
      ctrl.isLoading = false;
    }

    function choose() {
      var spec = $scope.model.newInstanceSpec;
      spec.availability_zone = ctrl.chosen ? ctrl.chosen.zone : '';
      setHint();
    }

    function follow(zone) {
      var found;
      if (ctrl.chosen && ctrl.chosen.zone === zone) {
        return;
      }
      found = ctrl.sites.filter(function (site) {
        return zone && site.zone === zone && !site.hint;
      });
      ctrl.chosen = found.length ? found[0] : null;
      setHint();
    }

    // Of several sites in one zone it names the one.
    function setHint() {
      var spec = $scope.model.newInstanceSpec;
      var hints = spec.scheduler_hints = spec.scheduler_hints || {};
      if (ctrl.chosen && ctrl.chosen.hint) {
        hints.dcn_site = ctrl.chosen.hint;
      } else {
        delete hints.dcn_site;
      }
    }
  }

  /**
   * Return an entry for each site in each of its groups.
   */
  function listed(items, isGrouped) {
    var found = [];
    items.forEach(function (item) {
      var groups = item.groups.length ? item.groups : [''];
      groups.forEach(function (group) {
        found.push({
          zone: item.zone,
          hint: item.hint,
          isClosed: Boolean(item.why),
          label: item.why ? item.name + ' (' + item.why + ')' : item.name,
          group: group || (isGrouped ? gettext('Other sites') : undefined)
        });
      });
    });
    return found;
  }

})();
