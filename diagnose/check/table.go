package check

// Table lists all checks by code. A check is added by naming it here. It is not copied to where it is asked for: that would be 7 KB of the
// program each time.
//
//go:noinline
func Table() []Check { return append(known(), newer()...) }

// known are those for faults that Istio's users have met and reported, by the numbers of those rules: EGR001 to EGR055.
func known() []Check {
	return []Check{
		notBoundToMesh,            // EGR001
		noServiceEntry,            // EGR002
		httpProtocolOnTLSPort,     // EGR003
		catchAll,                  // EGR004
		addressUnasked,            // EGR005
		withoutName,               // EGR006
		otherRoutesWin,            // EGR007
		hiddenBySidecar,           // EGR008
		notCaptured,               // EGR009
		selectorMatchesNoPod,      // EGR011
		tlsRouteOnEndingServer,    // EGR012
		gatewayInOtherNamespace,   // EGR013
		serverRefusesNamespace,    // EGR014
		routesNotExported,         // EGR015
		portNotOfService,          // EGR016
		serverNameUnknown,         // EGR017
		matchOnTargetPort,         // EGR018
		gatewayWithoutRoute,       // EGR019
		sameHostTwice,             // EGR020
		routeWiderThanGateway,     // EGR021
		subsetNotFound,            // EGR023
		tlsModesDiffer,            // EGR024
		gatewayNotRecognized,      // EGR025
		gatewayWithoutEndpoint,    // EGR026
		gatewayCertificateInvalid, // EGR027
		neverConnected,            // EGR028
		certificateDemanded,       // EGR029
		ruleNotOnGateway,          // EGR030
		credentialMissing,         // EGR031
		credentialAtSidecar,       // EGR032
		doubleTLS,                 // EGR033
		serverNotVerified,         // EGR034
		resolutionNone,            // EGR035
		wildcardLookedUp,          // EGR036
		entryNotExported,          // EGR037
		nameNotFound,              // EGR038
		protocolNotSpoken,         // EGR039
		neverReached,              // EGR041
		filterNotApplied,          // EGR042
		updateRefused,             // EGR043
		filterTooWide,             // EGR044
		addressMadeUp,             // EGR045
		dynamicAtGateway,          // EGR046
		sniProxyNotThere,          // EGR047
		gatewayIsSidecar,          // EGR048
		identityNotSeen,           // EGR050, a check of security
		noAccessLog,               // EGR051
		counterNotRecorded,        // EGR052
		entriesDiffer,             // EGR053
		changeMissed,              // EGR055
	}
}

// newer are those that came after, from EGR056 on.
func newer() []Check {
	return []Check{
		unexplained,      // EGR056
		setUnreadable,    // EGR057
		pathsHidden,      // EGR058
		networkOpen,      // EGR059, this and those to EGR067: checks of security
		networkTooTight,  // EGR060
		unknownHostsPass, // EGR061
		withoutSidecar,   // EGR062
		pastSidecar,      // EGR063
		otherPortDirect,  // EGR064
		nodesShared,      // EGR065
		callerNotKnown,   // EGR066
		everybodyAllowed, // EGR067
		filesNotThere,    // EGR068
		requestElsewhere, // EGR069, about requests that are sent
		routesForOthers,  // EGR070
	}
}
