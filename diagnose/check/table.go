package check

// Table lists all checks by code. A check is added by naming it here.
func Table() []Check {
	return []Check{
		notBoundToMesh,          // EGR001
		noServiceEntry,          // EGR002
		httpProtocolOnTLSPort,   // EGR003
		selectorMatchesNoPod,    // EGR011
		tlsRouteOnEndingServer,  // EGR012
		gatewayInOtherNamespace, // EGR013
		serverRefusesNamespace,  // EGR014
		routesNotExported,       // EGR015
		serverNameUnknown,       // EGR017
		matchOnTargetPort,       // EGR018
		gatewayWithoutRoute,     // EGR019
		sameHostTwice,           // EGR020
		subsetNotFound,          // EGR023
		tlsModesDiffer,          // EGR024
		gatewayWithoutEndpoint,  // EGR026
		neverConnected,          // EGR028
		ruleNotOnGateway,        // EGR030
		credentialMissing,       // EGR031
		doubleTLS,               // EGR033
		serverNotVerified,       // EGR034
		resolutionNone,          // EGR035
		entryNotExported,        // EGR037
		nameNotFound,            // EGR038
		filterNotApplied,        // EGR042
		updateRefused,           // EGR043
		filterTooWide,           // EGR044
		sniProxyNotThere,        // EGR047
		noAccessLog,             // EGR051
		counterNotRecorded,      // EGR052
		unexplained,             // EGR056
		setUnreadable,           // EGR057
		pathsHidden,             // EGR058
	}
}
